//! Writes of transactions, and what a failed one means.

use std::error::Error;

use aws_sdk_dynamodb::{
    error::SdkError, operation::transact_write_items::TransactWriteItemsError, types::CancellationReason,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use data_encoding::HEXLOWER;
use rand::RngExt;

use super::{
    backoff::Backoff,
    error::StoreError,
    table::{Table, store_error},
    transaction::{CommitOutcome, ConditionFailures, ConditionResult, Transaction},
};
use crate::aws::error_chain;

impl Table {
    /// Writes a transaction. While the outcome is unknown, the SDK retries with the same client request token, so that
    /// the transaction takes effect at most once. After a conflict with another write, or while DynamoDB throttles and the
    /// budget of retries allows it, the transaction is retried with a new token.
    pub async fn commit(&self, transaction: &Transaction) -> Result<CommitOutcome, StoreError> {
        let items = transaction.for_table(self.name());
        let mut token = request_token();
        let mut backoff = Backoff::default();
        loop {
            let request = self
                .client()
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .client_request_token(token.clone());
            let attempt = match request.send().await {
                Ok(_) => CommitAttempt::Completed(CommitOutcome::Done),
                Err(error) => commit_attempt(&error)?,
            };
            let overload = match attempt {
                CommitAttempt::Completed(outcome) => {
                    self.transaction_retries.reward_success();
                    return Ok(outcome);
                }
                CommitAttempt::Conflict => {
                    token = request_token();
                    None
                }
                CommitAttempt::Throttled(error) => {
                    token = request_token();
                    Some(error)
                }
                CommitAttempt::InProgress(error) => Some(error),
            };
            if let Some(error) = overload
                && backoff.has_attempts()
                && !self.transaction_retries.take_retry()
            {
                return Err(StoreError::Unavailable(error));
            }
            backoff.retry().await?;
        }
    }
}

/// The result of an attempt to write a transaction that may be repeated. Errors are given with their chain.
enum CommitAttempt {
    /// The transaction was written, or conditions failed.
    Completed(CommitOutcome),
    /// The transaction was canceled by another write.
    Conflict,
    /// The transaction was canceled because DynamoDB throttles at least one of the writes.
    Throttled(String),
    /// A previous attempt with the same client request token is still in progress.
    InProgress(String),
}

/// Classifies a failed attempt to write a transaction.
fn commit_attempt(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> Result<CommitAttempt, StoreError> {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
            canceled_attempt(canceled.cancellation_reasons(), error)
        }
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
            Ok(CommitAttempt::InProgress(error_chain(error)))
        }
        _ => Err(store_error(error)),
    }
}

/// Determines why a transaction was canceled. Failed conditions take precedence.
fn canceled_attempt(
    reasons: &[CancellationReason],
    error: &(dyn Error + 'static),
) -> Result<CommitAttempt, StoreError> {
    let code = |reason: &CancellationReason| reason.code().unwrap_or("None").to_owned();
    if reasons.iter().any(|reason| code(reason) == "ConditionalCheckFailed") {
        let result = |reason: &CancellationReason| match code(reason).as_str() {
            "ConditionalCheckFailed" => ConditionResult::Failed(reason.item.clone().filter(|item| !item.is_empty())),
            _ => ConditionResult::Passed,
        };
        let failures = ConditionFailures(reasons.iter().map(result).collect());
        return Ok(CommitAttempt::Completed(CommitOutcome::ConditionFailed(failures)));
    }
    let is_throttling = |code: &str| matches!(code, "ThrottlingError" | "ProvisionedThroughputExceeded");
    let is_known = |code: &str| matches!(code, "None" | "TransactionConflict") || is_throttling(code);
    if let Some(other) = reasons.iter().find(|reason| !is_known(&code(reason))) {
        return Err(StoreError::Rejected(format!("{}: {}", code(other), other.message().unwrap_or_default())));
    }
    let is_throttled = reasons.iter().any(|reason| is_throttling(&code(reason)));
    Ok(if is_throttled { CommitAttempt::Throttled(error_chain(error)) } else { CommitAttempt::Conflict })
}

fn request_token() -> String {
    HEXLOWER.encode(&rand::rng().random::<[u8; 16]>())
}
