//! Requests whose reads are stale when they write, because another request ran in between: the conditions of the write
//! detect it, and seats stay consistent. Each test is for one condition, and fails if the condition is removed.

mod activate;
mod deactivate;
mod generations;
mod heartbeat;
mod license_keys;
mod takeover;

use shared::domain::{Activation, MachineHash};
use signet_tests::{Fault, IssuedLicense, Rule, Stack, TestResponse, Value, json, text};

/// The operation that writes an activation, a takeover or a deactivation.
const WRITE: &str = "TransactWriteItems";

/// A stack without rate limits, with one issued license.
struct ConcurrencyFixture {
    stack: Stack,
    license: IssuedLicense,
}

impl ConcurrencyFixture {
    async fn with_seats(max_users: impl Into<Option<u32>>) -> Self {
        let stack = Stack::start_without_rate_limits().await;
        let license = stack.operator.issue_new_license_with(&json!({"max_users": max_users.into()})).await;
        Self { stack, license }
    }

    /// Activates a machine with the issued key string. Returns the response, whatever its status.
    fn try_activate(&self, machine: &'static str) -> impl Future<Output = TestResponse> + Send + use<> {
        let (app, key) = (self.stack.anonymous.clone(), self.license.license_key.clone());
        async move { app.activate(&key, machine).await }
    }

    /// Activates a machine and asserts a 201.
    async fn activate(&self, machine: &'static str) -> Value {
        self.try_activate(machine).await.expect_status(201)
    }

    async fn heartbeat(&self, activated: &Value, machine: &str) -> TestResponse {
        self.stack.anonymous.heartbeat(text(&activated["token"]), machine).await
    }

    /// Deactivates a machine as the operator.
    fn deactivate(&self, activated: &Value) -> impl Future<Output = TestResponse> + Send + use<> {
        let operator = self.stack.operator.clone();
        let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
        async move { operator.post(&path, json!({})).await }
    }

    /// Requests a transition of the license key as the operator.
    fn transition(&self, action: &str, body: Value) -> impl Future<Output = TestResponse> + Send + use<> {
        let operator = self.stack.operator.clone();
        let path = format!("license-keys/{}/{action}", self.license.license_id);
        async move { operator.post(&path, body).await }
    }

    /// Regenerates the key and activates a machine with the new key string.
    async fn regenerate_and_activate(&self, machine: &str) -> Value {
        let regenerated = self.transition("regenerate", json!({})).await.expect_status(200);
        self.stack.anonymous.activate(text(&regenerated["license_key"]), machine).await.expect_status(201)
    }

    /// Changes the seat limit.
    async fn change_limit(&self, max_users: u32) {
        self.transition("change", json!({"max_users": max_users})).await.expect_status(200);
    }

    /// Checks the seats and returns the machines that hold them.
    async fn holders(&self) -> Vec<String> {
        self.stack.check_seats(&self.license.license_id).await.held.into_keys().collect()
    }

    /// Reads the activation of a machine from the table.
    async fn activation(&self, machine: &str) -> Activation {
        let (license, machine) = (self.license.license_id.parse().unwrap(), MachineHash::from_machine_id(machine));
        self.stack.local.app.table.activation(license, machine).await.unwrap().unwrap()
    }

    /// Activates three machines, deactivates all but the one in the third seat, and reduces the limit to one. Returns
    /// the remaining machine, whose seat is above the limit.
    async fn exceed_limit(&self) -> (&'static str, Value) {
        let mut remaining = None;
        for machine in ["one", "two", "three"] {
            let activated = self.activate(machine).await;
            if self.activation(machine).await.seat == Some(2) {
                remaining = Some((machine, activated));
            }
        }
        let remaining = remaining.unwrap();
        for machine in ["one", "two", "three"].into_iter().filter(|machine| *machine != remaining.0) {
            let other = self.try_activate(machine).await.expect_status(200);
            self.deactivate(&other).await.expect_status(200);
        }
        self.change_limit(1).await;
        remaining
    }

    /// Returns how many events of a type the license key has.
    async fn count_events(&self, kind: &str) -> usize {
        let events = self.stack.license_events(&self.license.license_id).await;
        events.iter().filter(|event| event["type"] == kind).count()
    }
}

/// Lets the response to the first write be lost and the retry conflict with another transaction, so that only the item
/// shows the third attempt that the write has taken effect.
fn lose_response(fixture: &ConcurrencyFixture) {
    fixture.stack.faults.add(Rule::new(WRITE, Fault::LoseResponse));
    fixture.stack.faults.add(Rule::new(WRITE, Fault::Cancel("TransactionConflict")));
}
