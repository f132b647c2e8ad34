//! Customers. A customer and the record of its email address are written in one transaction.

use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    events::event_item,
    idempotency::Completion,
    item::{Item, from_item, n, s, to_item},
    keys,
    metadata::{move_external_id, put_metadata, write_metadata},
    pagination::{ListError, Order, Page, PageRequest, paginate_query},
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, ItemUpdate, Transaction},
};
use crate::domain::{Customer, CustomerId, Event, Metadata};

/// A customer and the version that was read.
#[derive(Debug, Clone)]
pub struct VersionedCustomer {
    /// The customer.
    pub customer: Customer,
    pub(super) version: u64,
    /// The partition key of the record of the customer's user, if there is one.
    pub(super) subject_record: Option<String>,
}

/// The attribute of a customer with the partition key of the record of its user, which is a hash.
pub(super) const SUBJECT_RECORD: &str = "subject_record";

/// The customer with an email address or a subject.
#[derive(Serialize, Deserialize)]
pub(super) struct OwnerRecord {
    pub(super) customer_id: CustomerId,
}

/// The filter and order of a list of customers. By default, all customers in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// The prefix of the name, ignoring case.
    pub name: String,
    /// The order by name.
    pub order: Order,
}

/// The outcome of adding a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddCustomerOutcome {
    /// The customer was added.
    Done,
    /// Another customer has the email address.
    EmailTaken,
    /// Another customer has the external id.
    ExternalIdTaken,
}

/// The outcome of registering a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterOutcome {
    /// The user is registered as the customer.
    Done,
    /// The subject or the email address has been registered since it was read. Read again and retry.
    Conflict,
}

/// The outcome of replacing a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceCustomerOutcome {
    /// The customer was replaced.
    Done,
    /// The customer was changed since it was read. Read again and retry.
    Conflict,
    /// Another customer has the email address.
    EmailTaken,
    /// Another customer has the external id.
    ExternalIdTaken,
}

impl Table {
    /// Adds a customer, unless another customer has the email address or the external id.
    pub async fn add_customer(
        &self,
        customer: &Customer,
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<AddCustomerOutcome, StoreError> {
        let mut transaction = Transaction::new();
        transaction
            .put(email_item(customer)?, absent_or_own(customer.id))
            .put(customer_item(customer, 1)?, Condition::absent())
            .put_always(event_item(event)?);
        let external_id = put_external_id(&mut transaction, customer, None);
        put_metadata(&mut transaction, keys::customer_metadata(customer.id), customer.metadata.as_ref())?;
        Ok(match self.commit_with_completion(transaction, completion).await? {
            CommitOutcome::ConditionFailed(failures) if failures.failed(0) => AddCustomerOutcome::EmailTaken,
            CommitOutcome::ConditionFailed(failures) if external_id.is_some_and(|index| failures.failed(index)) => {
                AddCustomerOutcome::ExternalIdTaken
            }
            // Ids are unique: an existing item was written by an earlier attempt of this request.
            _ => AddCustomerOutcome::Done,
        })
    }

    /// Reads a customer.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<VersionedCustomer>, StoreError> {
        self.get(keys::customer(id)).await?.map(from_customer_item).transpose()
    }

    /// Reads a customer, and then its metadata. Every write of metadata changes the version of the customer.
    pub async fn customer_with_metadata(&self, id: CustomerId) -> Result<Option<VersionedCustomer>, StoreError> {
        let Some(mut read) = self.customer(id).await? else { return Ok(None) };
        read.customer.metadata = Some(self.metadata(keys::customer_metadata(id)).await?);
        Ok(Some(read))
    }

    /// Reads the metadata of a customer.
    pub async fn customer_metadata(&self, id: CustomerId) -> Result<Metadata, StoreError> {
        self.metadata(keys::customer_metadata(id)).await
    }

    /// Reads the customer with an email address, ignoring case.
    pub async fn customer_by_email(&self, email: &str) -> Result<Option<VersionedCustomer>, StoreError> {
        let email_key = Customer::email_key(email);
        let Some(item) = self.get(keys::email(&email_key)).await? else { return Ok(None) };
        let id = item.get("customer_id").and_then(|id| id.as_s().ok()?.parse().ok());
        let id = id.ok_or_else(|| StoreError::InvalidItem("email address without a customer".to_owned()))?;
        let found = self.customer(id).await?;
        // The address may have been changed between the two reads.
        let has_email =
            |customer: &Customer| customer.email.as_deref().is_some_and(|own| Customer::email_key(own) == email_key);
        Ok(found.filter(|found| has_email(&found.customer)))
    }

    /// Reads the customer of a user, identified by issuer and subject.
    pub async fn customer_by_subject(&self, issuer_and_subject: &str) -> Result<Option<VersionedCustomer>, StoreError> {
        let Some(item) = self.get(keys::subject(issuer_and_subject)).await? else { return Ok(None) };
        self.customer(from_item::<OwnerRecord>(item)?.customer_id).await
    }

    /// Adds a customer for a signed-in user, unless a customer with the subject or the email address exists.
    pub async fn register(
        &self,
        customer: &Customer,
        issuer_and_subject: &str,
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<RegisterOutcome, StoreError> {
        let mut transaction = Transaction::new();
        transaction
            .put(subject_item(customer.id, issuer_and_subject)?, absent_or_own(customer.id))
            .put(email_item(customer)?, absent_or_own(customer.id))
            .put(registered_item(customer, issuer_and_subject)?, Condition::absent())
            .put_always(event_item(event)?);
        Ok(match self.commit_with_completion(transaction, completion).await? {
            CommitOutcome::ConditionFailed(failures) if failures.failed(0) || failures.failed(1) => {
                RegisterOutcome::Conflict
            }
            // Ids are unique: an existing item was written by an earlier attempt of this request.
            _ => RegisterOutcome::Done,
        })
    }

    /// Links a signed-in user to an existing customer, unless a user is already linked to it.
    pub async fn link_subject(
        &self,
        (read, customer): (&VersionedCustomer, &Customer),
        issuer_and_subject: &str,
        event: &Event,
        completion: Option<&Completion>,
    ) -> Result<RegisterOutcome, StoreError> {
        let unlinked =
            Condition::new("version = :read AND attribute_not_exists(subject)").value(":read", n(read.version));
        let update = ItemUpdate::new(keys::customer(customer.id), unlinked)
            .set_or_remove("subject", customer.subject.as_ref().map(s))
            .set(SUBJECT_RECORD, s(keys::subject(issuer_and_subject).pk))
            .set("updated_at", s(customer.updated_at.to_string()))
            .set("version", n(read.version + 1));
        let mut transaction = Transaction::new();
        transaction
            .update(&update)
            .put(subject_item(customer.id, issuer_and_subject)?, absent_or_own(customer.id))
            .put_always(event_item(event)?);
        Ok(match self.commit_with_completion(transaction, completion).await? {
            CommitOutcome::Done => RegisterOutcome::Done,
            CommitOutcome::ConditionFailed(_) => RegisterOutcome::Conflict,
        })
    }

    /// Reads a page of customers, sorted by name.
    pub async fn customers(&self, filter: &CustomerFilter, paging: &PageRequest) -> Result<Page<Customer>, ListError> {
        // No customer has a longer name, and DynamoDB limits the length of key conditions.
        if filter.name.chars().count() > Customer::MAX_NAME {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let name = Customer::name_key(&filter.name);
        let mut by_name = Query::prefix(keys::CUSTOMERS.to_owned(), &format!("NAME#{name}"));
        by_name.index = Some("GSI1");
        by_name.descending = filter.order == Order::Descending;
        let page = paginate_query(self, by_name, &format!("customers {:?} {name}", filter.order), paging).await?;
        let items = page.items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Reads the customer with an external id.
    pub async fn customer_by_external_id(&self, external_id: &str) -> Result<Option<Customer>, StoreError> {
        let Some(item) = self.get(keys::customer_external_id(external_id)).await? else { return Ok(None) };
        let found = self.customer(from_item::<OwnerRecord>(item)?.customer_id).await?;
        // The external id may have been changed between the two reads.
        Ok(found.map(|found| found.customer).filter(|customer| customer.external_id.as_deref() == Some(external_id)))
    }

    /// Reads a page of the customers whose name or email address starts with a text, ignoring case: first those by name,
    /// sorted by name, then the others, sorted by email address.
    pub async fn search_customers(&self, text: &str, paging: &PageRequest) -> Result<Page<Customer>, ListError> {
        // No customer has a longer name or address, and DynamoDB limits the length of key conditions.
        if text.chars().count() > Customer::MAX_SEARCH {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let (name, email) = (Customer::name_key(text), Customer::email_key(text));
        let by_name =
            Query { index: Some("GSI1"), ..Query::prefix(keys::CUSTOMERS.to_owned(), &format!("NAME#{name}")) };
        let by_email =
            Query { index: Some("GSI3"), ..Query::prefix(keys::CUSTOMERS.to_owned(), &format!("EMAIL#{email}")) };
        let list = |part: &str| format!("customers {part} {text:?}");
        let is_second_part = paging.cursor.is_some() && paging.position::<3>(&list("by email")).is_ok();
        let mut found = Vec::new();
        if !is_second_part {
            let page = paginate_query(self, by_name, &list("by name"), paging).await?;
            found = page.items.into_iter().map(from_item::<Customer>).collect::<Result<_, _>>()?;
            if page.next.is_some() {
                return Ok(Page { items: found, next: page.next });
            }
            if found.len() == paging.limit {
                let start = [&*by_email.from, "-", "-"].map(str::to_owned).to_vec();
                let next = Some(paging.encode_cursor(&list("by email"), start));
                return Ok(Page { items: found, next });
            }
        }
        let rest = PageRequest {
            limit: paging.limit - found.len(),
            cursor: paging.cursor.clone().filter(|_| is_second_part),
            key: paging.key.clone(),
        };
        let page = paginate_query(self, by_email, &list("by email"), &rest).await?;
        let customers = page.items.into_iter().map(from_item::<Customer>).collect::<Result<Vec<_>, _>>()?;
        found.extend(customers.into_iter().filter(|customer| !name_key(customer).starts_with(&name)));
        Ok(Page { items: found, next: page.next })
    }

    /// Writes the fields that callers can set, unless the customer was changed since it was read. If the email address or
    /// the external id changes, the same transaction releases the old one and reserves the new one. Metadata are written
    /// if they were read and have changed.
    pub async fn replace_customer(
        &self,
        read: &VersionedCustomer,
        customer: &Customer,
        event: &Event,
    ) -> Result<ReplaceCustomerOutcome, StoreError> {
        let unchanged = Condition::new("version = :read").value(":read", n(read.version));
        let update = ItemUpdate::new(keys::customer(customer.id), unchanged)
            .set_or_remove("name", customer.name.as_ref().map(s))
            .set_or_remove("email", customer.email.as_ref().map(s))
            .set_or_remove("company", customer.company.as_ref().map(s))
            .set_or_remove("external_id", customer.external_id.as_ref().map(s))
            .set("updated_at", s(customer.updated_at.to_string()))
            .set("GSI1SK", s(name_sort_key(customer)))
            .set("GSI3PK", s(keys::CUSTOMERS))
            .set("GSI3SK", s(email_sort_key(customer)))
            .set("version", n(read.version + 1));
        let mut transaction = Transaction::new();
        transaction.update(&update).put_always(event_item(event)?);
        let (old, new) = (email_key(&read.customer), email_key(customer));
        let email = (old != new).then_some(transaction.len());
        if email.is_some() {
            transaction
                .put(email_item(customer)?, absent_or_own(customer.id))
                .delete(keys::email(&old), absent_or_own(customer.id));
        }
        let external_id = put_external_id(&mut transaction, customer, read.customer.external_id.as_deref());
        if let (Some(old), Some(new)) = (&read.customer.metadata, &customer.metadata) {
            write_metadata(&mut transaction, keys::customer_metadata(customer.id), (old, new))?;
        }
        Ok(match self.commit(&transaction).await? {
            CommitOutcome::Done => ReplaceCustomerOutcome::Done,
            CommitOutcome::ConditionFailed(failures) => {
                let failed = |index: Option<usize>| index.is_some_and(|index| failures.failed(index));
                match (failures.failed(0), failed(email), failed(external_id)) {
                    (false, true, _) => ReplaceCustomerOutcome::EmailTaken,
                    (false, _, true) => ReplaceCustomerOutcome::ExternalIdTaken,
                    _ => ReplaceCustomerOutcome::Conflict,
                }
            }
        })
    }
}

pub(super) fn from_customer_item(item: Item) -> Result<VersionedCustomer, StoreError> {
    let version = item.get("version").and_then(|version| version.as_n().ok()?.parse().ok());
    let version = version.ok_or_else(|| StoreError::InvalidItem("customer without a version".to_owned()))?;
    let subject_record = item.get(SUBJECT_RECORD).and_then(|key| key.as_s().ok().cloned());
    Ok(VersionedCustomer { customer: from_item(item)?, version, subject_record })
}

pub(super) fn customer_item(customer: &Customer, version: u64) -> Result<Item, StoreError> {
    let mut item = to_item(keys::customer(customer.id), customer)?;
    // Null attributes are omitted: conditions can then check for a missing value with `attribute_not_exists` alone.
    item.retain(|_, value| !value.is_null());
    item.remove("metadata");
    item.insert("version".to_owned(), n(version));
    item.insert("GSI1PK".to_owned(), s(keys::CUSTOMERS));
    item.insert("GSI1SK".to_owned(), s(name_sort_key(customer)));
    item.insert("GSI3PK".to_owned(), s(keys::CUSTOMERS));
    item.insert("GSI3SK".to_owned(), s(email_sort_key(customer)));
    Ok(item)
}

/// Returns the item of a customer who is a signed-in user.
fn registered_item(customer: &Customer, issuer_and_subject: &str) -> Result<Item, StoreError> {
    let mut item = customer_item(customer, 1)?;
    item.insert(SUBJECT_RECORD.to_owned(), s(keys::subject(issuer_and_subject).pk));
    Ok(item)
}

/// The name in the form in which names are sorted and searched. An erased customer, who has none, is in no index.
fn name_key(customer: &Customer) -> String {
    Customer::name_key(customer.name.as_deref().unwrap_or_default())
}

/// The email address in the form in which addresses are compared.
pub(super) fn email_key(customer: &Customer) -> String {
    Customer::email_key(customer.email.as_deref().unwrap_or_default())
}

/// The index sort key of a customer: the name, ignoring case, then the id, which makes the sort key unique. The
/// separator sorts before all characters that a name can contain.
fn name_sort_key(customer: &Customer) -> String {
    format!("NAME#{}\u{1f}{}", name_key(customer), customer.id)
}

/// The index sort key of a customer by email address.
fn email_sort_key(customer: &Customer) -> String {
    format!("EMAIL#{}\u{1f}{}", email_key(customer), customer.id)
}

pub(super) fn email_item(customer: &Customer) -> Result<Item, StoreError> {
    to_item(keys::email(&email_key(customer)), &OwnerRecord { customer_id: customer.id })
}

/// Adds the writes of the record of the customer's external id. Returns the index of the write that fails if another
/// customer has it.
pub(super) fn put_external_id(transaction: &mut Transaction, customer: &Customer, old: Option<&str>) -> Option<usize> {
    let owner = ("customer_id", &*customer.id.to_string());
    move_external_id(transaction, owner, keys::customer_external_id, (old, customer.external_id.as_deref()))
}

fn subject_item(customer_id: CustomerId, issuer_and_subject: &str) -> Result<Item, StoreError> {
    to_item(keys::subject(issuer_and_subject), &OwnerRecord { customer_id })
}

/// Requires that the record does not exist or belongs to this customer, so that a retried write succeeds.
pub(super) fn absent_or_own(id: CustomerId) -> Condition {
    Condition::new("attribute_not_exists(PK) OR customer_id = :customer").value(":customer", s(id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer() -> Customer {
        Customer {
            id: "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB".parse().unwrap(),
            name: Some("Ada Lovelace".to_owned()),
            email: Some("Ada@Example.com".to_owned()),
            company: None,
            subject: None,
            external_id: None,
            metadata: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            updated_at: jiff::Timestamp::UNIX_EPOCH,
            erased_at: None,
        }
    }

    #[test]
    fn items_have_the_expected_attributes() {
        let texts = |item: Item| {
            let mut texts: Vec<String> = item.into_iter().map(|(name, value)| format!("{name} {value:?}")).collect();
            texts.sort();
            texts
        };
        let item = customer_item(&customer(), 1).unwrap();
        let expected = [
            "GSI1PK S(\"CUSTOMERS\")",
            "GSI1SK S(\"NAME#ada lovelace\\u{1f}cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")",
            "GSI3PK S(\"CUSTOMERS\")",
            "GSI3SK S(\"EMAIL#ada@example.com\\u{1f}cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")",
            "PK S(\"CUSTOMER#cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")",
            "SK S(\"CUSTOMER\")",
            "created_at S(\"1970-01-01T00:00:00Z\")",
            "email S(\"Ada@Example.com\")",
            "id S(\"cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")",
            "name S(\"Ada Lovelace\")",
            "updated_at S(\"1970-01-01T00:00:00Z\")",
            "version N(\"1\")",
        ];
        assert_eq!(texts(item.clone()), expected);
        assert_eq!(from_customer_item(item).unwrap().customer, customer());
        let key = "EMAIL#b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72";
        let expected = [
            format!("PK S(\"{key}\")"),
            format!("SK S(\"{key}\")"),
            "customer_id S(\"cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")".to_owned(),
        ];
        assert_eq!(texts(email_item(&customer()).unwrap()), expected);
    }

    #[test]
    fn shorter_names_sort_before_longer_names() {
        let sort_key = |name: &str| name_sort_key(&Customer { name: Some(name.to_owned()), ..customer() });
        assert!(sort_key("ADA") < sort_key("Ada B") && sort_key("Ada B") < sort_key("Ada!"));
        assert!(sort_key("ada") < sort_key("Bob"));
    }
}
