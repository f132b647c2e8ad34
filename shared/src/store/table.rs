//! The DynamoDB table: reads, conditional writes, and error classification.

use std::error::Error;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, query::builders::QueryFluentBuilder,
        update_item::UpdateItemError,
    },
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::{
    backoff::Backoff,
    error::StoreError,
    full_licenses::FullLicenses,
    indexes::key_names,
    item::{Item, Key, TTL_ATTRIBUTE, n, s},
    transaction::{Condition, ItemUpdate, non_empty},
};
use crate::{
    Aws,
    aws::error_chain,
    retries::{RetryBudget, sdk_budget},
};

/// A handle to the table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
    /// The table name in the contexts of sealed values.
    sealing_name: String,
    /// The budget of the retries of throttled transactions, which the SDK does not retry.
    pub(super) transaction_retries: RetryBudget,
    /// The license keys that this process knows to have no free seat. It belongs to the table because its writes free
    /// seats.
    pub(super) full_licenses: FullLicenses,
}

/// The outcome of a conditional write of one item.
#[derive(Debug)]
pub enum UpdateOutcome {
    /// The write succeeded. Contains the new item for updates, and nothing for puts and deletes.
    Done(Item),
    /// The condition failed. Contains the existing item, if any.
    ConditionFailed(Option<Item>),
}

/// A query of a range of sort keys in one partition of the table or of an index.
#[derive(Debug, Clone)]
pub struct Query {
    /// The name of the index; `None` queries the table with consistent reads.
    pub index: Option<&'static str>,
    /// The partition key.
    pub pk: String,
    /// The first sort key.
    pub from: String,
    /// The last sort key, inclusive.
    pub to: String,
    /// Whether items are returned in descending order.
    pub descending: bool,
    /// Returns only items that satisfy this condition. Other items are read and billed nevertheless.
    pub filter: Option<Condition>,
    /// The maximum number of items to read per request, before the filter is applied.
    pub limit: Option<i32>,
    /// The attributes to return; `None` returns all.
    pub attributes: Option<&'static [&'static str]>,
    /// Continues after the item with this key.
    pub after: Option<Item>,
}

impl Query {
    /// Queries the sort keys with a prefix in ascending order. An empty prefix queries the whole partition.
    pub fn prefix(pk: String, prefix: &str) -> Self {
        // DynamoDB rejects an empty string as key. All sort keys start with a letter, so a space sorts before them.
        let from = if prefix.is_empty() { " " } else { prefix };
        Self::between(pk, from.to_owned(), format!("{prefix}\u{10ffff}"))
    }

    /// Queries a range of sort keys in ascending order.
    pub fn between(pk: String, from: String, to: String) -> Self {
        let (index, descending, filter, limit, attributes, after) = (None, false, None, None, None, None);
        Self { index, pk, from, to, descending, filter, limit, attributes, after }
    }
}

/// The result of one query request.
#[derive(Debug)]
pub struct QueryPage {
    /// The items that were found.
    pub items: Vec<Item>,
    /// The key after which to continue, if there may be more items.
    pub next: Option<Item>,
}

impl Table {
    /// Creates a handle to the table, at `endpoint` instead of the DynamoDB of the region if given. Sends no request.
    pub fn connect(aws: &Aws, name: &str, endpoint: Option<String>) -> Self {
        let mut config = aws_sdk_dynamodb::config::Builder::from(aws.config());
        config.set_endpoint_url(endpoint);
        config.set_retry_partition(Some(sdk_budget(name.to_owned())));
        #[expect(clippy::disallowed_methods, reason = "the only place that builds a DynamoDB client")]
        let client = Client::from_conf(config.build());
        Self {
            client,
            name: name.to_owned(),
            sealing_name: name.to_owned(),
            transaction_retries: RetryBudget::default(),
            full_licenses: FullLicenses::default(),
        }
    }

    /// Declares that the table was restored from a backup of the table `original_name`. Sealed values remain bound to
    /// that name.
    pub fn restored_from(self, original_name: &str) -> Self {
        Self { sealing_name: original_name.to_owned(), ..self }
    }

    /// Returns the SDK client, to create the table and in tests.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the name of the table.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the table name that sealed values are bound to: the name of the table, or of the table that it was
    /// restored from.
    pub fn sealing_name(&self) -> &str {
        &self.sealing_name
    }

    /// Reads one item with a consistent read.
    pub async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        let request =
            self.client.get_item().table_name(&self.name).set_key(Some(key.into_item())).consistent_read(true);
        Ok(request.send().await.map_err(|error| store_error(&error))?.item)
    }

    /// Sends one query request.
    pub async fn query(&self, query: Query) -> Result<QueryPage, StoreError> {
        let response = self.query_request(query).send().await.map_err(|error| store_error(&error))?;
        Ok(QueryPage { items: response.items.unwrap_or_default(), next: next_key(response.last_evaluated_key) })
    }

    pub(super) fn query_request(&self, query: Query) -> QueryFluentBuilder {
        let names = key_names(query.index);
        let (pk, sk) = (names[0], names[1]);
        let mut request = self
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
                request = request.expression_attribute_names("#status", "status");
            }
            for (name, value) in filter.values {
                request = request.expression_attribute_values(name, value);
            }
            request = request.filter_expression(filter.expression);
        }
        if let Some(attributes) = query.attributes {
            request = request.projection_expression(attributes.join(", "));
        }
        request
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

    /// Updates one item conditionally. Such updates are idempotent, so the SDK may retry them if a response is lost.
    pub async fn update(&self, update: &ItemUpdate) -> Result<UpdateOutcome, StoreError> {
        let (expression, condition, names, values) = update.expressions();
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(update.key.clone().into_item()))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(non_empty(names))
            .set_expression_attribute_values(non_empty(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let classify = |error: &UpdateItemError| match error {
            UpdateItemError::ConditionalCheckFailedException(failed) => {
                Some(WriteFailure::Condition(failed.item.clone()))
            }
            UpdateItemError::TransactionConflictException(_) => Some(WriteFailure::Conflict),
            _ => None,
        };
        write_with_retries(|| request.clone().send(), classify, |response| response.attributes).await
    }

    /// Increments the counter in an item, and creates the item if it does not exist. Returns the new value. DynamoDB
    /// deletes the item some time after `ttl`, as Unix time.
    pub(super) async fn increment(&self, key: Key, ttl: i64) -> Result<u64, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .update_expression(format!("ADD counted :one SET {TTL_ATTRIBUTE} = :ttl"))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":ttl", n(ttl))
            .return_values(ReturnValue::UpdatedNew);
        let item = request.send().await.map_err(|error| store_error(&error))?.attributes.unwrap_or_default();
        let counted = item.get("counted").and_then(|counted| counted.as_n().ok()?.parse().ok());
        counted.ok_or_else(|| StoreError::InvalidItem("rate limit counter without a count".to_owned()))
    }

    /// Writes a whole item conditionally.
    pub async fn put(&self, item: Item, condition: &Condition) -> Result<UpdateOutcome, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(non_empty(condition.values.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let classify = |error: &PutItemError| match error {
            PutItemError::ConditionalCheckFailedException(failed) => Some(WriteFailure::Condition(failed.item.clone())),
            PutItemError::TransactionConflictException(_) => Some(WriteFailure::Conflict),
            _ => None,
        };
        write_with_retries(|| request.clone().send(), classify, |_| None).await
    }

    /// Deletes one item conditionally.
    pub async fn delete(&self, key: Key, condition: &Condition) -> Result<UpdateOutcome, StoreError> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key.into_item()))
            .condition_expression(&condition.expression)
            .set_expression_attribute_values(non_empty(condition.values.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let classify = |error: &DeleteItemError| match error {
            DeleteItemError::ConditionalCheckFailedException(failed) => {
                Some(WriteFailure::Condition(failed.item.clone()))
            }
            DeleteItemError::TransactionConflictException(_) => Some(WriteFailure::Conflict),
            _ => None,
        };
        write_with_retries(|| request.clone().send(), classify, |_| None).await
    }
}

/// Returns the key after which a query continues, if it has not reached its end.
pub(super) fn next_key(last_evaluated: Option<Item>) -> Option<Item> {
    last_evaluated.filter(|key| !key.is_empty())
}

/// Why a write of one item did not take effect.
enum WriteFailure {
    /// The condition failed. Contains the existing item, if any.
    Condition(Option<Item>),
    /// A transaction is writing the item.
    Conflict,
}

/// Writes one item, and retries while a transaction is writing it. `written` returns the item of a response.
async fn write_with_retries<T, E, F>(
    send: impl Fn() -> F,
    classify: impl Fn(&E) -> Option<WriteFailure>,
    written: impl Fn(T) -> Option<Item>,
) -> Result<UpdateOutcome, StoreError>
where
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    E: Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + 'static,
{
    let mut backoff = Backoff::default();
    loop {
        let error = match send().await {
            Ok(response) => return Ok(UpdateOutcome::Done(written(response).unwrap_or_default())),
            Err(error) => error,
        };
        match error.as_service_error().and_then(&classify) {
            Some(WriteFailure::Condition(item)) => {
                return Ok(UpdateOutcome::ConditionFailed(item.filter(|item| !item.is_empty())));
            }
            Some(WriteFailure::Conflict) => backoff.retry().await?,
            None => return Err(store_error(&error)),
        }
    }
}

/// Classifies an SDK error as unavailable or rejected.
pub(super) fn store_error<E>(error: &SdkError<E, HttpResponse>) -> StoreError
where
    E: Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + 'static,
{
    let text = error_chain(error);
    let is_transient = match error {
        // A 5xx response or an unnamed error does not tell whether the request took effect.
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
    if is_transient { StoreError::Unavailable(text) } else { StoreError::Rejected(text) }
}
