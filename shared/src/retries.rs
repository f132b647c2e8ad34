//! Budgets of retries, so that a struggling service does not get three times the load.
//!
//! A retry takes a token and a success returns half of one. While a service fails all calls, the tokens are used up after
//! about fifteen of them, and then each call is one attempt. While it fails a third of the attempts or fewer, the successes
//! pay for all retries. In between, a process sends at most one and a half attempts per call.
//!
//! Each client has a budget of its own: retries of KMS must not be lacking because DynamoDB fails. The SDK has a budget by
//! default, too, but it holds up to a hundred retries, and returns too few tokens for a third of failed attempts. The SDK's
//! adaptive mode also delays first attempts, of all license keys even if the partition of one is throttled.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};

/// The number of retries that are available at first, and at most.
const MAX_RETRIES: u16 = 30;
/// The number of successes that pay for one retry.
const SUCCESSES_PER_RETRY: u16 = 2;

/// Returns the budget of the SDK's retries of one client. The price is the same for all errors: a throttled request
/// and one that is not answered are both signs of overload.
pub(crate) fn sdk_budget(client: String) -> RetryPartition {
    let budget = TokenBucket::builder()
        .capacity(usize::from(MAX_RETRIES))
        .retry_cost(1)
        .throttling_retry_cost(1)
        .timeout_retry_cost(1)
        .success_reward(1.0 / f32::from(SUCCESSES_PER_RETRY))
        .build();
    RetryPartition::custom(client).token_bucket(budget).build()
}

/// The budget of retries that the SDK does not make, with the same rules. Own code, because only the SDK can take tokens
/// from its own budget. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RetryBudget {
    /// What is left, in successes: a retry takes several of them.
    left: Arc<AtomicU16>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { left: Arc::new(AtomicU16::new(Self::CAPACITY)) }
    }
}

impl RetryBudget {
    const CAPACITY: u16 = MAX_RETRIES * SUCCESSES_PER_RETRY;

    /// Takes what a retry costs. Returns whether there was enough.
    pub(crate) fn take_retry(&self) -> bool {
        self.update(|left| left.checked_sub(SUCCESSES_PER_RETRY))
    }

    /// Adds a success.
    pub(crate) fn reward_success(&self) {
        self.update(|left| (left < Self::CAPACITY).then_some(left + 1));
    }

    fn update(&self, update: impl FnMut(u16) -> Option<u16>) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    };

    use futures_util::future::join_all;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        aws::stub::{Stub, exception},
        secrets,
        store::{
            Table, keys,
            transaction::{Condition, Transaction},
        },
        tokens::kms,
    };

    const THROTTLED: (u16, &str) = (400, "ProvisionedThroughputExceededException");

    /// A service whose calls fail while `fails` is set.
    struct Service {
        stub: Stub,
        fails: Arc<AtomicBool>,
    }

    impl Service {
        fn failing_with(failure: (u16, Value), success: Value) -> Self {
            let fails = Arc::new(AtomicBool::new(true));
            let is_failing = Arc::clone(&fails);
            let respond = move |_: &str, _: &Value| {
                if is_failing.load(Ordering::Relaxed) { failure.clone() } else { (200, success.clone()) }
            };
            Self { stub: Stub::new(respond), fails }
        }

        /// Returns how many attempts each of 20 calls makes.
        async fn attempts<T>(&self, call: impl AsyncFn() -> T) -> Vec<usize> {
            let mut attempts = Vec::new();
            for _ in 0..20 {
                let before = self.stub.requests().len();
                call().await;
                attempts.push(self.stub.requests().len() - before);
            }
            attempts
        }

        /// Asserts that the retries end while the service fails, and return after it has recovered.
        async fn assert_retries_end_and_return<T>(&self, context: &str, call: impl AsyncFn() -> T) {
            let failing = self.attempts(&call).await;
            assert!(failing[0] > 1, "{context}: {failing:?}");
            assert_eq!(failing.iter().sum::<usize>(), 20 + usize::from(MAX_RETRIES), "{context}: {failing:?}");
            assert_eq!(self.attempts(&call).await, [1; 20], "{context}");
            self.fails.store(false, Ordering::Relaxed);
            assert_eq!(self.attempts(&call).await, [1; 20], "{context}");
            self.fails.store(true, Ordering::Relaxed);
            let failing = self.attempts(&call).await;
            assert!(failing[0] > 1, "{context}: {failing:?}");
            assert_eq!(
                failing.iter().sum::<usize>(),
                20 + 20 / usize::from(SUCCESSES_PER_RETRY),
                "{context}: {failing:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retries_of_dynamodb_end_while_it_fails_and_return_afterwards() {
        for (status, name) in [(500, "InternalServerError"), THROTTLED, (400, "ThrottlingException"), (503, "Unnamed")]
        {
            let service = Service::failing_with(exception(status, name), json!({}));
            let table = Table::connect(&service.stub.aws(), "signet", None);
            service.assert_retries_end_and_return(name, async || table.get(keys::catalog_version()).await).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retries_of_throttled_transactions_end_and_return() {
        for reason in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
            let canceled = json!({
                "__type": "TransactionCanceledException",
                "CancellationReasons": [{"Code": reason}, {"Code": "TransactionConflict"}],
            });
            let service = Service::failing_with((400, canceled), json!({}));
            let table = Table::connect(&service.stub.aws(), "signet", None);
            let mut transaction = Transaction::new();
            transaction.check(keys::catalog_version(), Condition::present());
            service.assert_retries_end_and_return(reason, async || table.commit(&transaction).await).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn retries_of_kms_and_secrets_manager_end_and_return() {
        let failing = || Service::failing_with(exception(503, "Unavailable"), json!({}));
        let kms = failing();
        let client = kms::connect(&kms.stub.aws(), None);
        kms.assert_retries_end_and_return("KMS", async || client.describe_key().key_id("a").send().await).await;
        let manager = failing();
        let client = secrets::connect(&manager.stub.aws(), None);
        let read = async || client.describe_secret().secret_id("a").send().await;
        manager.assert_retries_end_and_return("Secrets Manager", read).await;
    }

    /// A conflict means that another write is in progress or has succeeded, so it is no sign of overload.
    #[tokio::test(start_paused = true)]
    async fn conflicts_do_not_use_the_budget() {
        let canceled = json!({
            "__type": "TransactionCanceledException", "CancellationReasons": [{"Code": "TransactionConflict"}],
        });
        let service = Service::failing_with((400, canceled), json!({}));
        let table = Table::connect(&service.stub.aws(), "signet", None);
        let mut transaction = Transaction::new();
        transaction.check(keys::catalog_version(), Condition::present());
        assert_eq!(service.attempts(async || table.commit(&transaction).await).await, [24; 20]);
    }

    /// Makes a thousand calls, several at the same time, to a service of which this share of attempts fails. Returns the
    /// numbers of attempts and of failed calls.
    async fn thousand_calls(percent: u32, concurrency: usize) -> (usize, usize) {
        let random = Mutex::new(StdRng::seed_from_u64(7));
        let stub = Stub::new(move |_, _| {
            let fails = random.lock().unwrap().random_range(0..100) < percent;
            if fails { exception(THROTTLED.0, THROTTLED.1) } else { (200, json!({})) }
        });
        let table = Table::connect(&stub.aws(), "signet", None);
        let mut failed = 0;
        for _ in 0..1000 / concurrency {
            let calls = join_all((0..concurrency).map(|_| table.get(keys::catalog_version()))).await;
            failed += calls.iter().filter(|call| call.is_err()).count();
        }
        (stub.requests().len(), failed)
    }

    #[tokio::test(start_paused = true)]
    async fn scattered_failures_are_retried_and_frequent_ones_only_in_part() {
        for concurrency in [1, 20] {
            for (percent, max_attempts, max_failed) in [(5, 1100, 2), (30, 1450, 40), (50, 1400, 400), (90, 1120, 950)]
            {
                let (attempts, failed) = thousand_calls(percent, concurrency).await;
                let context = format!("{percent} %, {concurrency} at a time: {attempts} attempts, {failed} failed");
                assert!(attempts <= max_attempts && failed <= max_failed, "{context}");
            }
        }
    }
}
