//! Customers: an item each, and one that says whose an e-mail address is, written together.

use serde::{Deserialize, Serialize};

use super::{
    idempotency::Completion,
    keys,
    pagination::{ListError, Order, Page, PageRequest, paginate_query},
    table::{Item, Query, StoreError, Table, from_item, n, s, to_item},
    transaction::{Change, CommitOutcome, Condition, Transaction},
};
use crate::domain::{Customer, CustomerId};

/// A customer and the version that it was read at.
#[derive(Debug, Clone)]
pub struct VersionedCustomer {
    /// What was read.
    pub customer: Customer,
    version: u64,
}

/// Whose an e-mail address, or a signed-in user's subject, is.
#[derive(Serialize, Deserialize)]
struct OwnerRecord {
    customer_id: CustomerId,
}

/// Which customers a list shows, and in what order. The default is all, from A to Z.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// What the name begins with, whatever its case.
    pub name: String,
    /// By name.
    pub order: Order,
}

/// What became of a new customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddCustomerOutcome {
    /// It is there.
    Done,
    /// Another customer has the e-mail address.
    EmailTaken,
}

/// What became of a user's registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegisterOutcome {
    /// The user is the customer.
    Done,
    /// The subject or the e-mail address has an owner by now: look again.
    Moved,
}

/// What became of a customer's new fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceCustomerOutcome {
    /// They are written.
    Done,
    /// It is no longer the customer that was read: read again.
    Moved,
    /// Another customer has the e-mail address.
    EmailTaken,
}

impl Table {
    /// Adds a customer, unless another has its e-mail address.
    pub async fn add_customer(
        &self,
        customer: &Customer,
        done: Option<&Completion>,
    ) -> Result<AddCustomerOutcome, StoreError> {
        let mut transaction = Transaction::new();
        transaction
            .put(email_item(customer)?, free_or_own(customer.id))
            .put(customer_item(customer, 1)?, Condition::absent());
        Ok(match self.commit_once(transaction, done).await? {
            CommitOutcome::Refused(refused) if refused.failed(0) => AddCustomerOutcome::EmailTaken,
            // An id is made anew for each customer: one that is there already was put by this very call.
            _ => AddCustomerOutcome::Done,
        })
    }

    /// Reads a customer.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<VersionedCustomer>, StoreError> {
        self.get(keys::customer(id)).await?.map(read).transpose()
    }

    /// The customer who has this e-mail address, whatever its case.
    pub async fn customer_by_email(&self, email: &str) -> Result<Option<VersionedCustomer>, StoreError> {
        let wanted = Customer::email_key(email);
        let Some(item) = self.get(keys::email(&wanted)).await? else { return Ok(None) };
        let id = item.get("customer_id").and_then(|id| id.as_s().ok()?.parse().ok());
        let id = id.ok_or_else(|| StoreError::Damaged("an e-mail address without its customer".to_owned()))?;
        let found = self.customer(id).await?;
        // Between the two reads the address may have changed.
        Ok(found.filter(|found| Customer::email_key(&found.customer.email) == wanted))
    }

    /// The customer whom a signed-in user is, by issuer and subject.
    pub async fn customer_by_subject(&self, issuer_and_subject: &str) -> Result<Option<VersionedCustomer>, StoreError> {
        let Some(item) = self.get(keys::subject(issuer_and_subject)).await? else { return Ok(None) };
        self.customer(from_item::<OwnerRecord>(item)?.customer_id).await
    }

    /// Adds a customer who signed in, unless there is one of the subject or the e-mail address.
    pub async fn register(
        &self,
        customer: &Customer,
        issuer_and_subject: &str,
        done: Option<&Completion>,
    ) -> Result<RegisterOutcome, StoreError> {
        let mut transaction = Transaction::new();
        transaction
            .put(subject_item(customer.id, issuer_and_subject)?, free_or_own(customer.id))
            .put(email_item(customer)?, free_or_own(customer.id))
            .put(customer_item(customer, 1)?, Condition::absent());
        Ok(match self.commit_once(transaction, done).await? {
            CommitOutcome::Refused(refused) if refused.failed(0) || refused.failed(1) => RegisterOutcome::Moved,
            // An id is made anew for each customer: one that is there already was put by this very call.
            _ => RegisterOutcome::Done,
        })
    }

    /// Makes a signed-in user the customer whom an operator made, on condition that nobody is yet.
    pub async fn link_subject(
        &self,
        read: &VersionedCustomer,
        customer: &Customer,
        issuer_and_subject: &str,
        done: Option<&Completion>,
    ) -> Result<RegisterOutcome, StoreError> {
        let unlinked =
            Condition::new("version = :read AND attribute_not_exists(subject)").value(":read", n(read.version));
        let change = Change::new(keys::customer(customer.id), unlinked)
            .set_or_remove("subject", customer.subject.as_ref().map(s))
            .set("updated_at", s(customer.updated_at.to_string()))
            .set("version", n(read.version + 1));
        let mut transaction = Transaction::new();
        transaction.change(&change).put(subject_item(customer.id, issuer_and_subject)?, free_or_own(customer.id));
        Ok(match self.commit_once(transaction, done).await? {
            CommitOutcome::Done => RegisterOutcome::Done,
            CommitOutcome::Refused(_) => RegisterOutcome::Moved,
        })
    }

    /// A page of the customers, by name.
    pub async fn customers(&self, filter: &CustomerFilter, paging: &PageRequest) -> Result<Page<Customer>, ListError> {
        // Nobody has so long a name, and DynamoDB takes no key condition of any length.
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

    /// Writes what a caller may write of a customer, on condition that it is still the one that was read. An e-mail
    /// address that changes is let go and taken in the same transaction.
    pub async fn replace_customer(
        &self,
        read: &VersionedCustomer,
        customer: &Customer,
    ) -> Result<ReplaceCustomerOutcome, StoreError> {
        let unmoved = Condition::new("version = :read").value(":read", n(read.version));
        let change = Change::new(keys::customer(customer.id), unmoved)
            .set("name", s(&customer.name))
            .set("email", s(&customer.email))
            .set_or_remove("company", customer.company.as_ref().map(s))
            .set("updated_at", s(customer.updated_at.to_string()))
            .set("GSI1SK", s(place(customer)))
            .set("version", n(read.version + 1));
        let mut transaction = Transaction::new();
        transaction.change(&change);
        let (old, new) = (Customer::email_key(&read.customer.email), Customer::email_key(&customer.email));
        if old != new {
            transaction
                .put(email_item(customer)?, free_or_own(customer.id))
                .delete(keys::email(&old), free_or_own(customer.id));
        }
        Ok(match self.commit(&transaction).await? {
            CommitOutcome::Done => ReplaceCustomerOutcome::Done,
            CommitOutcome::Refused(refused) if !refused.failed(0) && refused.failed(1) => {
                ReplaceCustomerOutcome::EmailTaken
            }
            CommitOutcome::Refused(_) => ReplaceCustomerOutcome::Moved,
        })
    }
}

fn read(item: Item) -> Result<VersionedCustomer, StoreError> {
    let version = item.get("version").and_then(|version| version.as_n().ok()?.parse().ok());
    let version = version.ok_or_else(|| StoreError::Damaged("a customer without its version".to_owned()))?;
    Ok(VersionedCustomer { customer: from_item(item)?, version })
}

fn customer_item(customer: &Customer, version: u64) -> Result<Item, StoreError> {
    let mut item = to_item(keys::customer(customer.id), customer)?;
    // An attribute that is not there can be asked for in a condition in one way only.
    item.retain(|_, value| !value.is_null());
    item.insert("version".to_owned(), n(version));
    item.insert("GSI1PK".to_owned(), s(keys::CUSTOMERS));
    item.insert("GSI1SK".to_owned(), s(place(customer)));
    Ok(item)
}

/// Where a customer stands in the list: by name whatever its case, then by id, so that each has a place of its own.
/// The sign between them sorts before all that a name may hold.
fn place(customer: &Customer) -> String {
    format!("NAME#{}\u{1f}{}", Customer::name_key(&customer.name), customer.id)
}

fn email_item(customer: &Customer) -> Result<Item, StoreError> {
    to_item(keys::email(&Customer::email_key(&customer.email)), &OwnerRecord { customer_id: customer.id })
}

fn subject_item(customer_id: CustomerId, issuer_and_subject: &str) -> Result<Item, StoreError> {
    to_item(keys::subject(issuer_and_subject), &OwnerRecord { customer_id })
}

/// Nobody has it, or this customer: a write that meets its own is done, not refused.
fn free_or_own(id: CustomerId) -> Condition {
    Condition::new("attribute_not_exists(PK) OR customer_id = :customer").value(":customer", s(id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer() -> Customer {
        Customer {
            id: "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB".parse().unwrap(),
            name: "Ada Lovelace".to_owned(),
            email: "Ada@Example.com".to_owned(),
            company: None,
            subject: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
            updated_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn items_lie_in_the_table_like_this() {
        let texts = |item: Item| {
            let mut texts: Vec<String> = item.into_iter().map(|(name, value)| format!("{name} {value:?}")).collect();
            texts.sort();
            texts
        };
        let item = customer_item(&customer(), 1).unwrap();
        let expected = [
            "GSI1PK S(\"CUSTOMERS\")",
            "GSI1SK S(\"NAME#ada lovelace\\u{1f}cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")",
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
        assert_eq!(read(item).unwrap().customer, customer());
        let key = "EMAIL#b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72";
        let expected = [
            format!("PK S(\"{key}\")"),
            format!("SK S(\"{key}\")"),
            "customer_id S(\"cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB\")".to_owned(),
        ];
        assert_eq!(texts(email_item(&customer()).unwrap()), expected);
    }

    #[test]
    fn the_shorter_of_two_names_comes_first() {
        let place = |name: &str| place(&Customer { name: name.to_owned(), ..customer() });
        assert!(place("ADA") < place("Ada B") && place("Ada B") < place("Ada!"));
        assert!(place("ada") < place("Bob"));
    }
}
