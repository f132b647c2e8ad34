//! The table, as DynamoDB serves it: reads, conditional updates, transactions, and what their failures mean.

use std::{collections::HashMap, error::Error};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, transact_write_items::TransactWriteItemsError,
        update_item::UpdateItemError,
    },
    primitives::Blob,
    types::{AttributeValue, CancellationReason, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use data_encoding::HEXLOWER;
use rand::RngExt;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    backoff::Backoff,
    schema::TTL_ATTRIBUTE,
    transaction::{Change, CommitOutcome, Condition, ConditionFailures, Transaction, Verdict, some},
};
use crate::{Aws, aws::error_chain};

/// An item as DynamoDB has it: attribute names to values.
pub type Item = HashMap<String, AttributeValue>;

/// Why the store gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB throttles, is slow or away. What was asked may have happened.
    #[error("DynamoDB gave no answer: {0}")]
    Unavailable(String),
    /// DynamoDB refused what we sent: a fault of ours, or a table of another schema.
    #[error("DynamoDB refused the request: {0}")]
    Rejected(String),
    /// The table is missing, or not one of ours.
    #[error("the table {table} can't be used: {fault}")]
    OtherTable {
        /// Its name.
        table: String,
        /// Why.
        fault: String,
    },
    /// An item does not have the attributes that it should.
    #[error("an item is damaged: {0}")]
    Damaged(String),
    /// Another try of the same request took it over.
    #[error("another try of this request is under way")]
    ReservationLost,
    /// The writes of others kept coming first.
    #[error("other writes came first, again and again")]
    Contended,
}

/// The one table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
    /// The name that it has for whoever holds the keys.
    keys_name: String,
}

/// The two parts of an item's primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Partition.
    pub pk: String,
    /// Place in the partition.
    pub sk: String,
}

/// What became of a conditional update.
#[derive(Debug)]
pub enum UpdateOutcome {
    /// It was done; after an update, the item as it is now.
    Done(Item),
    /// Its condition did not hold; the item as it is, if there is one.
    Refused(Option<Item>),
}

/// A stretch of one partition, or of one index's partition.
#[derive(Debug, Clone)]
pub struct Query {
    /// The index; none means the table, which is then read consistently.
    pub index: Option<&'static str>,
    /// The partition.
    pub pk: String,
    /// From this place on.
    pub from: String,
    /// To this place, inclusive.
    pub to: String,
    /// Greatest first.
    pub descending: bool,
    /// Only items for which this holds; what it leaves out was read, and costs, all the same.
    pub filter: Option<Condition>,
    /// Read no more items than this at once, before the filter.
    pub limit: Option<i32>,
    /// Only these attributes.
    pub attributes: Option<&'static [&'static str]>,
    /// Go on after this key.
    pub after: Option<Item>,
}

impl Query {
    /// All that begins with `prefix`, ascending, whole; with none, the whole partition.
    pub fn prefix(pk: String, prefix: &str) -> Self {
        // DynamoDB takes no empty text for a key. No place of ours begins with less than a letter.
        let from = if prefix.is_empty() { " " } else { prefix };
        Self::between(pk, from.to_owned(), format!("{prefix}\u{10ffff}"))
    }

    /// A stretch, ascending, whole.
    pub fn between(pk: String, from: String, to: String) -> Self {
        let (index, descending, filter, limit, attributes, after) = (None, false, None, None, None, None);
        Self { index, pk, from, to, descending, filter, limit, attributes, after }
    }
}

/// One answer to a query.
#[derive(Debug)]
pub struct QueryPage {
    /// What was found.
    pub items: Vec<Item>,
    /// Where to go on, if there may be more.
    pub next: Option<Item>,
}

impl Table {
    /// The table of this name, at `endpoint` in place of the region's own DynamoDB. Nothing is sent yet.
    pub fn connect(aws: &Aws, name: &str, endpoint: Option<String>) -> Self {
        let mut config = aws_sdk_dynamodb::config::Builder::from(aws.config());
        config.set_endpoint_url(endpoint);
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        let client = Client::from_conf(config.build());
        Self { client, name: name.to_owned(), keys_name: name.to_owned() }
    }

    /// The same, restored from a backup of the table of this name, which what is sealed in it is bound to.
    pub fn restored_from(self, keys_name: &str) -> Self {
        Self { keys_name: keys_name.to_owned(), ..self }
    }

    /// The SDK's client, for making the table and probing it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the table that the keys are for: its own, unless it was restored from a backup of another.
    pub fn keys_name(&self) -> &str {
        &self.keys_name
    }

    /// Reads one item, consistently.
    pub async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        let asked = self.client.get_item().table_name(&self.name).set_key(Some(key.into_item())).consistent_read(true);
        Ok(asked.send().await.map_err(|error| failure(&error))?.item)
    }

    /// Reads one page of a query.
    pub async fn query(&self, query: Query) -> Result<QueryPage, StoreError> {
        let (pk, sk) = match query.index {
            None => ("PK".to_owned(), "SK".to_owned()),
            Some(index) => (format!("{index}PK"), format!("{index}SK")),
        };
        let mut asked = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(query.index.map(str::to_owned))
            .consistent_read(query.index.is_none())
            .key_condition_expression(format!("{pk} = :query_pk AND {sk} BETWEEN :query_from AND :query_to"))
            .expression_attribute_values(":query_pk", s(query.pk))
            .expression_attribute_values(":query_from", s(query.from))
            .expression_attribute_values(":query_to", s(query.to))
            .scan_index_forward(!query.descending)
            .set_limit(query.limit)
            .set_exclusive_start_key(query.after);
        if let Some(filter) = query.filter {
            if filter.expression.contains("#status") {
                asked = asked.expression_attribute_names("#status", "status");
            }
            for (name, value) in filter.values {
                asked = asked.expression_attribute_values(name, value);
            }
            asked = asked.filter_expression(filter.expression);
        }
        if let Some(attributes) = query.attributes {
            asked = asked.projection_expression(attributes.join(", "));
        }
        let answer = asked.send().await.map_err(|error| failure(&error))?;
        Ok(QueryPage {
            items: answer.items.unwrap_or_default(),
            next: answer.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }

    /// Reads all pages of a query.
    pub async fn query_all(&self, mut query: Query) -> Result<Vec<Item>, StoreError> {
        let mut all = Vec::new();
        loop {
            let page = self.query(query.clone()).await?;
            all.extend(page.items);
            if page.next.is_none() {
                return Ok(all);
            }
            query.after = page.next;
        }
    }

    /// Changes one item, on condition. Repeating it is safe, so a lost answer is simply asked for again by the SDK.
    pub async fn update(&self, change: &Change) -> Result<UpdateOutcome, StoreError> {
        let (update, condition, names, values) = change.expressions();
        let asked = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(change.key.clone().into_item()))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(some(names))
            .set_expression_attribute_values(some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let lost = |error: &UpdateItemError| match error {
            UpdateItemError::ConditionalCheckFailedException(failed) => Some(Lost::Condition(failed.item.clone())),
            UpdateItemError::TransactionConflictException(_) => Some(Lost::Conflict),
            _ => None,
        };
        conditionally(|| asked.clone().send(), lost, |answer| answer.attributes).await
    }

    /// Adds one to what is counted in an item, and makes the item where there is none; tells how many it is then.
    /// The TTL removes it some time after `ttl`, in seconds since 1970.
    pub(super) async fn add_one(&self, key: Key, ttl: i64) -> Result<u64, StoreError> {
        let asked = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .update_expression(format!("ADD counted :one SET {TTL_ATTRIBUTE} = :ttl"))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":ttl", n(ttl))
            .return_values(ReturnValue::UpdatedNew);
        let item = asked.send().await.map_err(|error| failure(&error))?.attributes.unwrap_or_default();
        let counted = item.get("counted").and_then(|counted| counted.as_n().ok()?.parse().ok());
        counted.ok_or_else(|| StoreError::Damaged("a rate bucket without its count".to_owned()))
    }

    /// Writes one item whole, on condition.
    pub async fn put(&self, item: Item, condition: &Condition) -> Result<UpdateOutcome, StoreError> {
        let asked = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(some(condition.values.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let lost = |error: &PutItemError| match error {
            PutItemError::ConditionalCheckFailedException(failed) => Some(Lost::Condition(failed.item.clone())),
            PutItemError::TransactionConflictException(_) => Some(Lost::Conflict),
            _ => None,
        };
        conditionally(|| asked.clone().send(), lost, |_| None).await
    }

    /// Deletes one item, on condition.
    pub async fn delete(&self, key: Key, condition: &Condition) -> Result<UpdateOutcome, StoreError> {
        let asked = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(some(condition.values.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let lost = |error: &DeleteItemError| match error {
            DeleteItemError::ConditionalCheckFailedException(failed) => Some(Lost::Condition(failed.item.clone())),
            DeleteItemError::TransactionConflictException(_) => Some(Lost::Conflict),
            _ => None,
        };
        conditionally(|| asked.clone().send(), lost, |_| None).await
    }

    /// Writes a transaction. The SDK repeats it under one client request token while its outcome is unknown, so that
    /// it happens once; a conflict with another transaction is tried again here, under a new token.
    pub async fn commit(&self, transaction: &Transaction) -> Result<CommitOutcome, StoreError> {
        let items = transaction.for_table(&self.name);
        let mut token = request_token();
        let mut backoff = Backoff::default();
        loop {
            let asked = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .client_request_token(token.clone());
            let Err(error) = asked.send().await else { return Ok(CommitOutcome::Done) };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    match read_reasons(cancelled.cancellation_reasons()) {
                        Reasons::Conditions(refusals) => return Ok(CommitOutcome::Refused(refusals)),
                        Reasons::Passing => token = request_token(),
                        Reasons::Other(reason) => return Err(StoreError::Rejected(reason)),
                    }
                }
                // Our own first attempt is still under way: ask again under the same token.
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {}
                _ => return Err(failure(&error)),
            }
            backoff.retry().await?;
        }
    }
}

/// How a write to one item was lost.
enum Lost {
    /// Its condition does not hold; the item as it is.
    Condition(Option<Item>),
    /// A transaction holds the item.
    Conflict,
}

/// Writes one item, again while a transaction holds it. `written` is what the answer shows of the item.
async fn conditionally<T, E, F>(
    ask: impl Fn() -> F,
    lost: impl Fn(&E) -> Option<Lost>,
    written: impl Fn(T) -> Option<Item>,
) -> Result<UpdateOutcome, StoreError>
where
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    E: Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + 'static,
{
    let mut backoff = Backoff::default();
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(UpdateOutcome::Done(written(answer).unwrap_or_default())),
            Err(error) => error,
        };
        match error.as_service_error().and_then(&lost) {
            Some(Lost::Condition(item)) => return Ok(UpdateOutcome::Refused(item.filter(|item| !item.is_empty()))),
            Some(Lost::Conflict) => backoff.retry().await?,
            None => return Err(failure(&error)),
        }
    }
}

enum Reasons {
    Conditions(ConditionFailures),
    Passing,
    Other(String),
}

/// Why a transaction was cancelled: by conditions, by what passes (a conflict, throttling), or by a fault of ours.
fn read_reasons(reasons: &[CancellationReason]) -> Reasons {
    let code = |reason: &CancellationReason| reason.code().unwrap_or("None").to_owned();
    if reasons.iter().any(|reason| code(reason) == "ConditionalCheckFailed") {
        let read = |reason: &CancellationReason| match code(reason).as_str() {
            "ConditionalCheckFailed" => Verdict::Failed(reason.item.clone().filter(|item| !item.is_empty())),
            _ => Verdict::Held,
        };
        return Reasons::Conditions(ConditionFailures(reasons.iter().map(read).collect()));
    }
    let passing = ["None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    match reasons.iter().find(|reason| !passing.contains(&code(reason).as_str())) {
        Some(other) => Reasons::Other(format!("{}: {}", code(other), other.message().unwrap_or_default())),
        None => Reasons::Passing,
    }
}

fn request_token() -> String {
    HEXLOWER.encode(&rand::rng().random::<[u8; 16]>())
}

pub(super) fn failure<E>(error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + 'static,
{
    let text = error_chain(error);
    let passing = match error {
        // Whatever a server says with 5xx, or without a name, is no word on what was asked.
        SdkError::ServiceError(service) if service.raw().status().is_server_error() => true,
        SdkError::ServiceError(service) => matches!(
            service.err().code(),
            Some(
                "ProvisionedThroughputExceededException"
                    | "RequestLimitExceeded"
                    | "Throttling"
                    | "ThrottlingException"
                    | "TransactionConflictException"
                    | "TransactionInProgressException"
            ) | None
        ),
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    };
    if passing { StoreError::Unavailable(text) } else { StoreError::Rejected(text) }
}

impl Key {
    /// A key of the table.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(super) fn into_item(self) -> Item {
        HashMap::from([("PK".to_owned(), s(self.pk)), ("SK".to_owned(), s(self.sk))])
    }
}

/// A string attribute.
pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub fn n(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// An attribute of bytes.
pub fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// An item of the table from a record and its key.
pub fn to_item(key: Key, record: &impl Serialize) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(|error| StoreError::Damaged(error.to_string()))?;
    item.extend(key.into_item());
    Ok(item)
}

/// An item that has nothing but its key yet.
pub fn bare_item(key: Key) -> Item {
    key.into_item()
}

/// A record from an item of the table.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(|error| StoreError::Damaged(error.to_string()))
}
