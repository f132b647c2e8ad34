//! What is true at every moment of an execution: a record of all activations and tokens, and checks against the table.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64URL_NOPAD;
use signet_tests::{Value, text};

use super::{
    names::Names,
    table::{LicenseItem, MachineItem, TableState},
};

/// The state of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ActivationState {
    /// It holds a seat, or its license key has expired.
    Live,
    /// It was ended explicitly: deactivated, by a new generation, a lower limit or a revocation, or by its own machine, which activated again
    /// after a lower limit had ended it.
    Ended,
    /// Another machine has taken over its seat.
    TakenOver,
}

/// An activation that was in the table.
#[derive(Debug, Clone, Hash)]
struct Known {
    /// The hash of its machine.
    machine: String,
    /// The activation, with the longest lease that was stored.
    item: MachineItem,
    state: ActivationState,
    /// Whether it was once without a seat that counts. A higher limit can make it live again while its machine takes another seat.
    was_dead: bool,
}

/// A token that a client has received.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Token {
    /// The name of its activation.
    pub(super) activation: String,
    /// Until when an app can run with it, in Unix time.
    pub(super) offline_until: i64,
}

impl Token {
    /// Reads a license token, without verifying it.
    pub(super) fn parse(token: &str, names: &Names) -> Self {
        let payload = token.split('.').nth(1).expect("a token has a payload");
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).expect("base64url");
        let claims: Value = serde_json::from_slice(&payload).expect("claims are JSON");
        let number = |value: &Value| value.as_i64().expect("a number");
        let offline_until = number(&claims["enforcement"]["offline_until"]);
        Self { activation: names.of_activation(text(&claims["activation"]["id"])), offline_until }
    }
}

/// The record of activations and tokens.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Ledger {
    known: BTreeMap<String, Known>,
    tokens: BTreeSet<Token>,
}

impl Ledger {
    /// Updates the record after a step, and checks the table.
    pub(super) fn observe(&mut self, table: &TableState, now: i64) -> Result<(), String> {
        table.check(now)?;
        for (machine, item) in &table.machines {
            let is_live = item.is_live(&table.license);
            let state = if is_live { ActivationState::Live } else { ActivationState::Ended };
            let was_dead = !item.holds_seat(&table.license);
            let mut new = Known { machine: machine.clone(), item: item.clone(), state, was_dead };
            let known = self.known.entry(item.name.clone()).or_insert_with(|| new.clone());
            new.was_dead |= known.was_dead;
            if item.lease_expires_at < known.item.lease_expires_at {
                return Err(format!("the lease of {} shrank: {known:?} {item:?}", item.name));
            }
            if known.item.has_ended && !item.has_ended {
                return Err(format!("{} was ended and has started again: {item:?}", item.name));
            }
            if item.borrowed_until != known.item.borrowed_until && item.borrowed_until.is_some() && !is_live {
                return Err(format!("{} borrowed a seat that it does not hold: {item:?}", item.name));
            }
            *known = new;
        }
        for (name, known) in &mut self.known {
            let successor = table.machines.get(&known.machine);
            if known.state == ActivationState::Live && successor.is_none_or(|item| item.name != *name) {
                let by_its_machine = known.was_dead && successor.is_some();
                known.state = if by_its_machine { ActivationState::Ended } else { ActivationState::TakenOver };
            }
        }
        Ok(())
    }

    /// Checks that the tokens that are valid at this time are those of activations that hold a seat or were ended explicitly. Returns the number of
    /// the latter.
    pub(super) fn check_tokens(&self, max_users: u64, now: i64) -> Result<usize, String> {
        let valid = self.tokens.iter().filter(|token| now < token.offline_until);
        let valid: BTreeSet<&str> = valid.map(|token| token.activation.as_str()).collect();
        let (ended, not_ended): (Vec<_>, Vec<_>) =
            valid.into_iter().partition(|name| self.known[*name].state == ActivationState::Ended);
        if let Some(name) = not_ended.iter().find(|name| self.known[**name].state == ActivationState::TakenOver) {
            return Err(format!("the seat of {name} was taken over while its token is valid: {self:?}"));
        }
        if not_ended.len() as u64 > max_users {
            return Err(format!("{} activations have a valid token: {self:?}", not_ended.len()));
        }
        Ok(ended.len())
    }

    /// Adds a token of a response.
    pub(super) fn add(&mut self, token: Token, seen: &Seen) -> Result<(), String> {
        let Some(known) = self.known.get(&token.activation) else {
            return Err(format!("a token of an activation that never existed: {token:?} {self:?}"));
        };
        if token.offline_until > known.item.lease_expires_at {
            return Err(format!("a token past its lease: {token:?} {known:?}"));
        }
        let is_covered = |license: &LicenseItem| {
            let is_honoured = |end| seen.start * 1000 < end && token.offline_until * 1000 <= end;
            known.item.could_be_live(license) && license.honoured_until.is_none_or(is_honoured)
        };
        let is_within_limit = seen.licenses.iter().any(is_covered);
        if !is_within_limit || !seen.activations.contains(&token.activation) {
            return Err(format!(
                "a token of an activation that ended before the request: {token:?} {known:?} {seen:?}"
            ));
        }
        self.tokens.insert(token);
        Ok(())
    }
}

/// What was in the table at some moment of a request.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Seen {
    /// The time at which the request started.
    pub(super) start: i64,
    licenses: BTreeSet<LicenseItem>,
    /// The activations that had not ended.
    activations: BTreeSet<String>,
    /// Whether no seat was free or lapsed.
    pub(super) was_full: bool,
}

impl Seen {
    /// Starts at this time.
    pub(super) fn from_start(start: i64) -> Self {
        Self { start, ..Self::default() }
    }

    /// Adds what is in the table.
    pub(super) fn add(&mut self, table: &TableState) {
        self.was_full |= table.is_full(self.start);
        self.licenses.insert(table.license.clone());
        let not_ended = table.machines.values().filter(|machine| !machine.has_ended);
        self.activations.extend(not_ended.map(|machine| machine.name.clone()));
    }
}
