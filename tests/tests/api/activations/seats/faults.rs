//! Failures of each DynamoDB call of a request, in each possible way, including a crash before or after the call. After
//! a retry, the request has taken effect exactly once, the response is correct, and no seat is held twice or lost.

use signet_tests::{Fault, Rule, Stack, TestResponse, Value, all_cases, json, merged, text};

/// The request whose calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestKind {
    /// A machine takes a free seat.
    Activate,
    /// A machine takes over a lapsed seat.
    TakeOver,
    /// A machine with a seat activates again.
    Renew,
    /// A machine sends a heartbeat.
    Heartbeat,
    /// An app deactivates its machine.
    DeactivateByApp,
    /// An operator deactivates a machine.
    DeactivateByOperator,
    /// A customer's key is superseded by a new one, with an `Idempotency-Key`.
    Issue,
    /// A key is revoked.
    Revoke,
    /// A key is renewed by one period, with an `Idempotency-Key`.
    RenewLicense,
}

/// How a DynamoDB call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureMode {
    /// The first attempt is not sent; the SDK's retry succeeds.
    NotSent,
    /// The call takes effect, but its response is lost; the SDK retries.
    ResponseLost,
    /// The responses of all the SDK's attempts are lost.
    AllResponsesLost,
    /// DynamoDB throttles the first attempt.
    Throttled,
    /// DynamoDB returns an internal error to all the SDK's attempts.
    ServerError,
    /// The first attempt conflicts with another transaction.
    Conflict,
    /// The call takes effect, but its response is lost, and the SDK's retry conflicts with another transaction.
    ResponseLostThenConflict,
    /// The process crashes before the call.
    CrashBefore,
    /// The process crashes after the call has taken effect.
    CrashAfter,
}

impl FailureMode {
    const ALL: [Self; 9] = [
        Self::NotSent,
        Self::ResponseLost,
        Self::AllResponsesLost,
        Self::Throttled,
        Self::ServerError,
        Self::Conflict,
        Self::ResponseLostThenConflict,
        Self::CrashBefore,
        Self::CrashAfter,
    ];

    /// Returns the rules that make the last of these calls fail; none if it cannot fail in this way.
    fn rules(self, calls: &[String]) -> Vec<Rule> {
        let at_last_call = |fault| Rule::new("*", fault).nth(calls.len());
        // Only writes can conflict, so only writes are counted.
        let conflict_rules = |before: Option<Fault>| {
            let (operation, conflict) = match calls.last().map(String::as_str) {
                Some("TransactWriteItems") => ("TransactWriteItems", Fault::Cancel("TransactionConflict")),
                Some("UpdateItem") => ("UpdateItem", Fault::Respond(400, "TransactionConflictException")),
                _ => return Vec::new(),
            };
            let nth = calls.iter().filter(|call| *call == operation).count();
            before.into_iter().chain([conflict]).map(|fault| Rule::new(operation, fault).nth(nth)).collect()
        };
        let is_read = matches!(calls.last().map(String::as_str), Some("GetItem" | "Query"));
        match self {
            // Losing the response of a read is the same as not sending it, and a crash at a read is covered by the
            // crash before the next write.
            Self::ResponseLost | Self::AllResponsesLost | Self::CrashBefore | Self::CrashAfter if is_read => Vec::new(),
            Self::NotSent => vec![at_last_call(Fault::RefuseConnection)],
            Self::ResponseLost => vec![at_last_call(Fault::LoseResponse)],
            Self::AllResponsesLost => vec![at_last_call(Fault::LoseResponse).times(3)],
            Self::Throttled => vec![at_last_call(Fault::THROTTLE)],
            Self::ServerError => vec![at_last_call(Fault::SERVER_ERROR).times(3)],
            Self::Conflict => conflict_rules(None),
            // A call that one rule matches is not counted by the next.
            Self::ResponseLostThenConflict => conflict_rules(Some(Fault::LoseResponse)),
            Self::CrashBefore => vec![at_last_call(Fault::RefuseConnection).always()],
            Self::CrashAfter => vec![at_last_call(Fault::LoseResponse), at_last_call(Fault::RefuseConnection).always()],
        }
    }
}

/// The stack and the resources that all scenarios share.
struct SharedFixture {
    stack: Stack,
    customer: Value,
    tier: Value,
}

impl SharedFixture {
    /// Creates the product, tier and customer. A customer can have several keys, except for [`RequestKind::Issue`].
    async fn prepare(request: RequestKind) -> Self {
        let stack = Stack::start_without_rate_limits().await;
        let product =
            stack.operator.create_product_with(&json!({"one_key_per_customer": request == RequestKind::Issue})).await;
        let (tier, customer) =
            (stack.operator.create_tier(&product, &json!({})).await, stack.operator.create_customer().await);
        Self { stack, customer, tier }
    }
}

/// One request with its own license key, and everything that its client knows.
struct FaultScenario<'a> {
    shared: &'a SharedFixture,
    request: RequestKind,
    license: Value,
    license_key: String,
    customer: Value,
    /// The response to the machine's activation.
    activated: Value,
    idempotency_key: String,
}

impl<'a> FaultScenario<'a> {
    async fn prepare(shared: &'a SharedFixture, request: RequestKind) -> Self {
        let (operator, stack) = (&shared.stack.operator, &shared.stack);
        let customer =
            if request == RequestKind::Issue { operator.create_customer().await } else { shared.customer.clone() };
        let seats = if request == RequestKind::Activate { 2 } else { 1 };
        let issued = operator.issue(&customer, &shared.tier, &json!({"max_users": seats})).await;
        let license_key = text(&issued["license_key"]).to_owned();
        let idempotency_key = text(&issued["license"]["id"]).to_owned();
        let (license, activated) = (issued["license"].clone(), Value::Null);
        let mut scenario = Self { shared, request, license, license_key, customer, activated, idempotency_key };
        let machine = match request {
            RequestKind::Activate | RequestKind::TakeOver => "other",
            _ => "one",
        };
        scenario.activated = stack.anonymous.activate(&scenario.license_key, machine).await.expect_status(201);
        match request {
            RequestKind::TakeOver => stack.advance(3600),
            RequestKind::Renew | RequestKind::Heartbeat => stack.advance(1800),
            // Lists are sorted by the time of issue.
            RequestKind::Issue => stack.advance(1),
            _ => {}
        }
        scenario
    }

    fn id(&self) -> &str {
        text(&self.license["id"])
    }

    /// Sends the request.
    async fn send(&self) -> TestResponse {
        let (app, operator) = (&self.shared.stack.anonymous, &self.shared.stack.operator);
        let idempotent = operator.with_header("idempotency-key", &self.idempotency_key);
        let path = format!("license-activations/{}/deactivate", text(&self.activated["activation"]["id"]));
        match self.request {
            RequestKind::Activate | RequestKind::TakeOver | RequestKind::Renew => {
                app.activate(&self.license_key, "one").await
            }
            RequestKind::Heartbeat => app.heartbeat(text(&self.activated["token"]), "one").await,
            RequestKind::DeactivateByApp => app.post(&path, json!({"token": self.activated["token"]})).await,
            RequestKind::DeactivateByOperator => operator.post(&path, json!({})).await,
            RequestKind::Issue => {
                let body = json!({"customer_id": self.customer["id"], "tier_id": self.shared.tier["id"]});
                idempotent.post("license-keys", body).await
            }
            RequestKind::Revoke => {
                operator.post(&format!("license-keys/{}/revoke", self.id()), json!({"reason": "r"})).await
            }
            RequestKind::RenewLicense => idempotent.post(&format!("license-keys/{}/renew", self.id()), json!({})).await,
        }
    }

    /// Repeats the request as a client does after a 503 or without a response.
    async fn retry(&self) -> TestResponse {
        let retried = self.send().await;
        if retried.body["code"] != "idempotency_in_progress" {
            return retried;
        }
        // A crashed process leaves its reservation, which can be taken over after 30 seconds.
        self.shared.stack.advance(31);
        self.send().await
    }

    /// Returns how many events of a type the license key has.
    async fn count_events(&self, kind: &str) -> usize {
        let path = format!("license-keys/{}/events?limit=100", self.id());
        let events = self.shared.stack.operator.get(&path).await.expect_status(200);
        events["items"].as_array().unwrap().iter().filter(|event| event["type"] == kind).count()
    }

    /// Asserts that the request took effect once, that the first response was a success or 503, and that a retry
    /// succeeds.
    async fn check(&self, first: &TestResponse, context: &str) {
        let has_succeeded = match self.request {
            RequestKind::Activate | RequestKind::TakeOver | RequestKind::Issue => matches!(first.status, 200 | 201),
            _ => first.status == 200,
        };
        if !has_succeeded {
            assert_eq!(first.status, 503, "{context}: {}", first.text);
            first.expect_problem(503, "unavailable");
        }
        let retried = self.retry().await;
        let stack = &self.shared.stack;
        let seats = stack.check_seats(self.id()).await;
        let held: Vec<&str> = seats.held.keys().map(String::as_str).collect();
        let is_same_response = !has_succeeded || first.text == retried.text;
        match self.request {
            RequestKind::Activate | RequestKind::TakeOver => {
                assert!(
                    retried.status == 200 || (retried.status == 201 && !has_succeeded),
                    "{context}: {}",
                    retried.text
                );
                let (kind, all): (_, &[&str]) = if self.request == RequestKind::Activate {
                    ("activation.created", &["one", "other"])
                } else {
                    ("activation.taken_over", &["one"])
                };
                assert_eq!(held, all, "{context}");
                assert_eq!(self.count_events(kind).await, all.len(), "{context}");
                assert_eq!(seats.held["one"], text(&retried.body["activation"]["id"]), "{context}");
                assert!(
                    !has_succeeded || first.body["activation"]["id"] == retried.body["activation"]["id"],
                    "{context}"
                );
            }
            RequestKind::Renew | RequestKind::Heartbeat => {
                assert_eq!((retried.status, held), (200, vec!["one"]), "{context}: {}", retried.text);
                assert_eq!(self.count_events("activation.created").await, 1, "{context}");
                let path = format!("license-activations/{}", text(&self.activated["activation"]["id"]));
                let activation = stack.operator.get(&path).await.expect_status(200);
                assert_eq!(activation["lease_expires_at"], retried.body["token_expires_at"], "{context}");
            }
            RequestKind::DeactivateByApp | RequestKind::DeactivateByOperator => {
                assert_eq!((retried.status, held.len()), (200, 0), "{context}: {}", retried.text);
                assert_eq!(
                    (self.count_events("activation.deactivated").await, is_same_response),
                    (1, true),
                    "{context}"
                );
                stack.anonymous.activate(&self.license_key, "next").await.expect_status(201);
            }
            RequestKind::Issue => {
                assert_eq!((retried.status, is_same_response), (201, true), "{context}: {}", retried.text);
                let list = format!("license-keys?customer_id={}", text(&self.customer["id"]));
                let list = stack.operator.get(&list).await.expect_status(200)["items"].clone();
                let statuses: Vec<_> =
                    list.as_array().unwrap().iter().map(|license| text(&license["status"])).collect();
                assert_eq!(statuses, ["active", "superseded"], "{context}");
                assert_eq!(list[0]["id"], retried.body["license"]["id"], "{context}");
                assert_eq!(self.count_events("license.superseded").await, 1, "{context}");
            }
            RequestKind::Revoke => {
                let revoked = json!({"status": "revoked", "revocation_reason": "r"});
                assert_eq!(retried.body, merged(retried.body.clone(), &revoked), "{context}");
                assert_eq!(
                    (retried.status, self.count_events("license.revoked").await, is_same_response),
                    (200, 1, true),
                    "{context}"
                );
            }
            RequestKind::RenewLicense => {
                assert_eq!(
                    (retried.status, self.count_events("license.renewed").await, is_same_response),
                    (200, 1, true),
                    "{context}"
                );
                let license = stack.operator.get(&format!("license-keys/{}", self.id())).await.expect_status(200);
                let expiry = text(&self.license["expires_at"]).replace("2027", "2028");
                assert_eq!(
                    (text(&license["expires_at"]), &retried.body["expires_at"]),
                    (&*expiry, &json!(expiry)),
                    "{context}"
                );
            }
        }
    }
}

/// Lets each DynamoDB call of a request fail in each way, one at a time.
async fn fail_each_call(request: RequestKind) {
    // Boxed, because the future is large.
    let shared = Box::pin(SharedFixture::prepare(request)).await;
    let faults = &shared.stack.faults;
    let undisturbed = Box::pin(FaultScenario::prepare(&shared, request)).await;
    faults.reset_calls();
    let first = undisturbed.send().await;
    let calls = faults.calls();
    undisturbed.check(&first, "no failure").await;
    for nth in 1..=calls.len() {
        for (index, mode) in FailureMode::ALL.into_iter().enumerate() {
            // Without all cases, every second combination of a call and a failure.
            if !all_cases() && (nth + index) % 2 == 1 {
                continue;
            }
            let rules = mode.rules(&calls[..nth]);
            if rules.is_empty() {
                continue;
            }
            let scenario = Box::pin(FaultScenario::prepare(&shared, request)).await;
            for rule in rules {
                faults.add(rule);
            }
            let first = scenario.send().await;
            faults.clear();
            scenario.check(&first, &format!("{request:?}: call {nth} of {calls:?}, {mode:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activate_takes_one_free_seat_whichever_call_fails() {
    fail_each_call(RequestKind::Activate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activate_takes_over_one_lapsed_seat_whichever_call_fails() {
    fail_each_call(RequestKind::TakeOver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activate_renews_the_seat_whichever_call_fails() {
    fail_each_call(RequestKind::Renew).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeat_extends_the_lease_whichever_call_fails() {
    fail_each_call(RequestKind::Heartbeat).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deactivate_by_an_app_takes_effect_once_whichever_call_fails() {
    fail_each_call(RequestKind::DeactivateByApp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deactivate_by_an_operator_takes_effect_once_whichever_call_fails() {
    fail_each_call(RequestKind::DeactivateByOperator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issue_supersedes_the_previous_key_once_whichever_call_fails() {
    fail_each_call(RequestKind::Issue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoke_takes_effect_once_whichever_call_fails() {
    fail_each_call(RequestKind::Revoke).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renew_extends_by_one_period_whichever_call_fails() {
    fail_each_call(RequestKind::RenewLicense).await;
}
