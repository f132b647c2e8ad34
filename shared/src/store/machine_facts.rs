//! The facts about the machine of an activation: a sibling item of the activation, so that heartbeats write little. Activating
//! writes both items in one transaction, and whatever writes the facts later requires that the activation is the same.

use std::collections::HashMap;

use futures_util::try_join;
use serde::{Deserialize, Serialize};

use super::{
    activations::{FACTS_DIGEST, FACTS_UNTIL, seatless_process_ttl},
    error::StoreError,
    holder::{nonce, not_ended, of_activation},
    item::{Item, Key, TTL_ATTRIBUTE, b, from_item, n, s, to_item},
    keys,
    table::{Query, Table},
    transaction::{CommitOutcome, ItemUpdate, Transaction},
};
use crate::domain::{
    Activation, ActivationId, DescribedActivation, LicenseId, MachineFacts, MachineHash, ReportedFacts, Timestamp,
    machine_facts::seatless_process_facts_end, seat::whole_second,
};

/// The attributes of the facts, except the nonce of their activation.
#[derive(Serialize, Deserialize)]
struct FactsRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    machine_name: Option<String>,
    ip: String,
    /// Unix time in milliseconds.
    activated_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    os: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
}

/// Returns the item of the facts of a new activation.
pub(super) fn facts_item(activation: &Activation, facts: &MachineFacts) -> Result<Item, StoreError> {
    let facts = facts.clone();
    let record = FactsRecord {
        machine_name: facts.name,
        ip: facts.ip,
        activated_at: facts.activated_at.as_millisecond(),
        app_version: facts.app_version,
        os: facts.os,
        hostname: facts.hostname,
    };
    let mut item = to_item(key(&activation.id), &record)?;
    item.insert("life".to_owned(), nonce(&activation.id));
    if let Some(until) = activation.facts_until {
        item.insert(TTL_ATTRIBUTE.to_owned(), n(whole_second(until)));
    }
    Ok(item)
}

/// Parses the facts of an activation; `None` if they are those of another activation of the machine.
fn parse_facts(item: &Item, id: &ActivationId) -> Result<Option<MachineFacts>, StoreError> {
    if item.get("life") != Some(&nonce(id)) {
        return Ok(None);
    }
    let record: FactsRecord = from_item(item.clone())?;
    let activated_at = Timestamp::from_millisecond(record.activated_at)
        .map_err(|_| StoreError::InvalidItem("machine facts: activated_at".to_owned()))?;
    Ok(Some(MachineFacts {
        name: record.machine_name,
        ip: record.ip,
        activated_at,
        app_version: record.app_version,
        os: record.os,
        hostname: record.hostname,
    }))
}

fn key(id: &ActivationId) -> Key {
    keys::machine_facts(id.license, id.machine)
}

/// Returns an update of the facts, on condition that they are those of the activation.
pub(super) fn facts_update(id: &ActivationId) -> ItemUpdate {
    ItemUpdate::new(key(id), of_activation(id))
}

impl Table {
    /// Reads the facts about the machine of an activation.
    pub async fn machine_facts(&self, id: &ActivationId) -> Result<Option<MachineFacts>, StoreError> {
        self.get(key(id)).await?.map_or(Ok(None), |item| parse_facts(&item, id))
    }

    /// Reads an activation, live or ended, and the facts about its machine. Returns `None` if it was deleted, or replaced by a later
    /// activation of the machine.
    pub async fn activation_with_id(&self, id: &ActivationId) -> Result<Option<DescribedActivation>, StoreError> {
        let found = self.described_activation(id.license, id.machine).await?;
        Ok(found.filter(|found| found.activation.id == *id))
    }

    /// Reads the activation of a machine, live or ended, and the facts about the machine.
    pub async fn described_activation(
        &self,
        license: LicenseId,
        machine: MachineHash,
    ) -> Result<Option<DescribedActivation>, StoreError> {
        let (activation, facts) =
            try_join!(self.activation(license, machine), self.get(keys::machine_facts(license, machine)))?;
        let Some(activation) = activation else { return Ok(None) };
        let facts = facts.map_or(Ok(None), |item| parse_facts(&item, &activation.id))?;
        Ok(Some(DescribedActivation { activation, facts }))
    }

    /// Adds the facts to activations of one license key, with one query of the range in which they lie.
    pub(super) async fn describe(
        &self,
        license: LicenseId,
        activations: Vec<Activation>,
    ) -> Result<Vec<DescribedActivation>, StoreError> {
        let sort_key = |activation: &Activation| key(&activation.id).sk;
        let (Some(first), Some(last)) =
            (activations.iter().map(sort_key).min(), activations.iter().map(sort_key).max())
        else {
            return Ok(Vec::new());
        };
        let items = self.query_all(Query::between(keys::license_partition(license), first, last)).await?;
        let by_key: HashMap<String, Item> =
            items.into_iter().filter_map(|item| Some((item.get("SK")?.as_s().ok()?.clone(), item))).collect();
        let with_facts = |activation: Activation| {
            let facts =
                by_key.get(&sort_key(&activation)).map_or(Ok(None), |item| parse_facts(item, &activation.id))?;
            Ok(DescribedActivation { activation, facts })
        };
        activations.into_iter().map(with_facts).collect()
    }

    /// Writes what a request reports about the machine of a live activation, if it differs from what was written last, and a new
    /// name. Postpones the deletion of the facts of a process without a seat if they would be deleted before its activation.
    /// Otherwise, makes no request. Does nothing if the activation has ended since it was read.
    pub async fn record_facts(
        &self,
        activation: &Activation,
        name: Option<&str>,
        reported: ReportedFacts<'_>,
    ) -> Result<(), StoreError> {
        let digest = reported.digest().filter(|digest| activation.facts_digest != Some(*digest));
        let activation_ttl = seatless_process_ttl(activation.lease_expires_at);
        let is_due = activation.facts_until.is_some_and(|until| whole_second(until) < activation_ttl);
        let until = is_due.then(|| n(whole_second(seatless_process_facts_end(activation.lease_expires_at))));
        if name.is_none() && digest.is_none() && until.is_none() {
            return Ok(());
        }
        let ActivationId { license, machine, .. } = activation.id;
        let live = not_ended(&activation.id);
        let mut transaction = Transaction::new();
        if digest.is_none() && until.is_none() {
            transaction.check(keys::activation(license, machine), live);
        } else {
            let changes = [(FACTS_DIGEST, digest.map(b)), (FACTS_UNTIL, until.clone())];
            transaction.update(&set(ItemUpdate::new(keys::activation(license, machine), live), changes));
        }
        let reported = digest.map(|_| reported).unwrap_or_default();
        let changes = [
            ("machine_name", name.map(s)),
            ("app_version", reported.app_version.map(s)),
            ("os", reported.os.map(s)),
            ("hostname", reported.hostname.map(s)),
            (TTL_ATTRIBUTE, until),
        ];
        transaction.update(&set(facts_update(&activation.id), changes));
        match self.commit(&transaction).await? {
            CommitOutcome::Done | CommitOutcome::ConditionFailed(_) => Ok(()),
        }
    }
}

/// Adds the attributes that have a value.
fn set<const N: usize>(
    update: ItemUpdate,
    changes: [(&str, Option<aws_sdk_dynamodb::types::AttributeValue>); N],
) -> ItemUpdate {
    let changes = changes.into_iter().filter_map(|(name, value)| Some((name, value?)));
    changes.fold(update, |update, (name, value)| update.set(name, value))
}
