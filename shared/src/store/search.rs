//! Searches by words: one query for each kind of resource, whatever their number.

use std::collections::HashSet;

use futures_util::{future::try_join_all, try_join};

use super::{
    error::StoreError,
    item::s,
    keys,
    search_index::TEXT,
    table::{Query, Table},
    transaction::Condition,
};
use crate::domain::{
    Customer, CustomerId, DescribedActivation, License, LicenseId, MachineHash, SearchKind, SearchResource, SearchTerms,
};

/// The number of words that a search for one word reads per result: a resource can have several that begin with it.
const READ_PER_RESULT: usize = 3;
/// The number of words that a search for several words reads at most, of each kind of resource.
const MAX_READ: i32 = 2_000;

/// What a search has found, in the order of the words.
#[derive(Debug, Default)]
pub struct Found {
    /// The customers.
    pub customers: Vec<Customer>,
    /// The license keys, with the names of their customers.
    pub licenses: Vec<(License, Option<String>)>,
    /// The machines, with their license keys.
    pub machines: Vec<(License, DescribedActivation)>,
    /// Whether there may be more.
    pub has_more: bool,
}

impl Table {
    /// Finds customers, license keys and machines that have, for each word of the text, a word that begins with it: at most `max` of
    /// each. Words are found a second after a change, as a rule.
    pub async fn search(&self, terms: &SearchTerms, max: usize) -> Result<Found, StoreError> {
        let (customers, licenses, machines) = try_join!(
            self.search_kind(SearchKind::Customer, terms, max),
            self.search_kind(SearchKind::License, terms, max),
            self.search_kind(SearchKind::Machine, terms, max),
        )?;
        let has_more = [&customers, &licenses, &machines].iter().any(|(_, has_more)| *has_more);
        let found = customers.0.into_iter().chain(licenses.0).chain(machines.0);
        self.resolve(found.collect(), has_more).await
    }

    /// Finds resources of one kind with one query.
    async fn search_kind(
        &self,
        kind: SearchKind,
        terms: &SearchTerms,
        max: usize,
    ) -> Result<(Vec<SearchResource>, bool), StoreError> {
        let query = Query::prefix(keys::search_partition(kind, &terms.key), &terms.key);
        let limit =
            if terms.others.is_empty() { i32::try_from((max + 1) * READ_PER_RESULT).ok() } else { Some(MAX_READ) };
        let page = self.query(Query { limit, filter: has_words(&terms.others), ..query }).await?;
        let mut has_more = page.next.is_some();
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for item in page.items {
            let sort_key = item.get("SK").and_then(|key| key.as_s().ok());
            let resource = sort_key.and_then(|key| keys::parse_search_entry(kind, key));
            found.extend(resource.filter(|resource| seen.insert(resource.to_string())));
        }
        has_more |= found.len() > max;
        found.truncate(max);
        Ok((found, has_more))
    }

    /// Reads what was found. Leaves out what no longer exists.
    async fn resolve(&self, found: Vec<SearchResource>, has_more: bool) -> Result<Found, StoreError> {
        let (mut customers, mut licenses, mut machines) = (Vec::new(), Vec::new(), Vec::new());
        for resource in found {
            match resource {
                SearchResource::Customer(id) => customers.push(self.found_customer(id)),
                SearchResource::License(id) => licenses.push(self.found_license(id)),
                SearchResource::Machine(license, machine) => machines.push(self.found_machine(license, machine)),
            }
        }
        let (customers, licenses, machines) =
            try_join!(try_join_all(customers), try_join_all(licenses), try_join_all(machines))?;
        Ok(Found {
            customers: customers.into_iter().flatten().collect(),
            licenses: licenses.into_iter().flatten().collect(),
            machines: machines.into_iter().flatten().collect(),
            has_more,
        })
    }

    async fn found_customer(&self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        let found = self.customer(id).await?.map(|found| found.customer);
        Ok(found.filter(|customer| customer.erased_at.is_none()))
    }

    async fn found_license(&self, id: LicenseId) -> Result<Option<(License, Option<String>)>, StoreError> {
        let Some(license) = self.license(id).await? else { return Ok(None) };
        let customer = match license.customer_id {
            Some(id) => self.customer(id).await?,
            None => None,
        };
        Ok(Some((license, customer.and_then(|found| found.customer.name))))
    }

    async fn found_machine(
        &self,
        license: LicenseId,
        machine: MachineHash,
    ) -> Result<Option<(License, DescribedActivation)>, StoreError> {
        let (license, found) = try_join!(self.license(license), self.described_activation(license, machine))?;
        Ok(license.zip(found.filter(|found| found.activation.ended_at.is_none())))
    }
}

/// Returns the condition that a resource has words that begin with each of these.
fn has_words(words: &[String]) -> Option<Condition> {
    let parts: Vec<_> = (0..words.len()).map(|at| format!("contains({TEXT}, :word{at})")).collect();
    let condition = Condition::new(parts.join(" AND "));
    let with_value = |condition: Condition, (at, word): (usize, &String)| {
        condition.value(&format!(":word{at}"), s(format!(" {word}")))
    };
    (!words.is_empty()).then(|| words.iter().enumerate().fold(condition, with_value))
}
