//! Whatever call to DynamoDB fails, however it does, and wherever a process dies: what was asked is done once or not at
//! all, the client that asks again is answered rightly, and no seat is doubled or lost.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use signet_tests::{Fault, Rule, Stack, TestResponse, Value, json, merged, text};

/// What is asked while things fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// A machine takes a free seat.
    Take,
    /// A machine takes a lapsed seat over.
    TakeOver,
    /// A machine that has its seat activates again.
    Renew,
    /// A machine gives a sign of life.
    Heartbeat,
    /// A machine gives its seat up.
    EndByApp,
    /// An operator ends an activation.
    EndByOperator,
    /// A customer gets a key in place of the one before, asked for with an `Idempotency-Key`.
    Issue,
    /// A key is revoked.
    Revoke,
    /// A key is renewed by a period, asked for with an `Idempotency-Key`.
    Prolong,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    /// It is not sent, and the next attempt is.
    NotSent,
    /// It is done, its answer is lost, and the next attempt is answered.
    Lost,
    /// So it is each time the SDK tries.
    LostEachTime,
    /// DynamoDB throttles once.
    Throttled,
    /// DynamoDB has a fault of its own, each time the SDK tries.
    Broken,
    /// Somebody else's transaction holds the item, once.
    Conflict,
    /// It is done and its answer lost; the next attempt finds somebody else's transaction there.
    LostThenConflict,
    /// The process dies before it is sent.
    DeadBefore,
    /// The process dies after it is sent, and it is done.
    DeadAfter,
}

impl Mishap {
    const ALL: [Self; 9] = [
        Self::NotSent,
        Self::Lost,
        Self::LostEachTime,
        Self::Throttled,
        Self::Broken,
        Self::Conflict,
        Self::LostThenConflict,
        Self::DeadBefore,
        Self::DeadAfter,
    ];

    /// The rules by which the last of these calls fails; none where it can't fail so.
    fn rules(self, calls: &[String]) -> Vec<Rule> {
        let at = |fault| Rule::new("*", fault).nth(calls.len());
        // A conflict is an answer to writes alone, so writes alone are counted.
        let conflict = |before: Option<Fault>| {
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
            // A read whose answer is lost is one that was not done, and who dies at a read dies before the next write.
            Self::Lost | Self::LostEachTime | Self::DeadBefore | Self::DeadAfter if is_read => Vec::new(),
            Self::NotSent => vec![at(Fault::RefuseConnection)],
            Self::Lost => vec![at(Fault::LoseResponse)],
            Self::LostEachTime => vec![at(Fault::LoseResponse).times(3)],
            Self::Throttled => vec![at(Fault::THROTTLE)],
            Self::Broken => vec![at(Fault::SERVER_ERROR).times(3)],
            Self::Conflict => conflict(None),
            // A request that one rule hits is not counted by the next.
            Self::LostThenConflict => conflict(Some(Fault::LoseResponse)),
            Self::DeadBefore => vec![at(Fault::RefuseConnection).always()],
            Self::DeadAfter => vec![at(Fault::LoseResponse), at(Fault::RefuseConnection).always()],
        }
    }
}

/// What all scenes of a stack have in common.
struct Ground {
    stack: Stack,
    customer: Value,
    tier: Value,
}

impl Ground {
    /// A customer may have many keys here, except where one is to supersede another.
    async fn prepare(act: Act) -> Self {
        let stack = Stack::start_without_rate_limits().await;
        let product = stack.operator.create_product_with(&json!({"one_key_per_customer": act == Act::Issue})).await;
        let (tier, customer) =
            (stack.operator.create_tier(&product, &json!({})).await, stack.operator.create_customer().await);
        Self { stack, customer, tier }
    }
}

/// A license key of its own, and all that the client of an act knows.
struct Scene<'a> {
    ground: &'a Ground,
    act: Act,
    license: Value,
    license_key: String,
    customer: Value,
    /// What the machine was answered last.
    activated: Value,
    idempotency_key: String,
}

impl<'a> Scene<'a> {
    async fn set(ground: &'a Ground, act: Act) -> Self {
        let (operator, stack) = (&ground.stack.operator, &ground.stack);
        let customer = if act == Act::Issue { operator.create_customer().await } else { ground.customer.clone() };
        let seats = if act == Act::Take { 2 } else { 1 };
        let issued = operator.issue(&customer, &ground.tier, &json!({"max_users": seats})).await;
        let license_key = text(&issued["license_key"]).to_owned();
        let idempotency_key = text(&issued["license"]["id"]).to_owned();
        let (license, activated) = (issued["license"].clone(), Value::Null);
        let mut scene = Self { ground, act, license, license_key, customer, activated, idempotency_key };
        let machine = match act {
            Act::Take | Act::TakeOver => "other",
            _ => "one",
        };
        scene.activated = stack.anonymous.activate(&scene.license_key, machine).await.expect_status(201);
        match act {
            Act::TakeOver => stack.advance(3600),
            Act::Renew | Act::Heartbeat => stack.advance(900),
            // A list tells the newer from the older by the time.
            Act::Issue => stack.advance(1),
            _ => {}
        }
        scene
    }

    fn id(&self) -> &str {
        text(&self.license["id"])
    }

    async fn ask(&self) -> TestResponse {
        let (app, operator) = (&self.ground.stack.anonymous, &self.ground.stack.operator);
        let once = operator.with_header("idempotency-key", &self.idempotency_key);
        let end = format!("license-activations/{}/deactivate", text(&self.activated["activation"]["id"]));
        match self.act {
            Act::Take | Act::TakeOver | Act::Renew => app.activate(&self.license_key, "one").await,
            Act::Heartbeat => app.heartbeat(text(&self.activated["token"]), "one").await,
            Act::EndByApp => app.post(&end, json!({"token": self.activated["token"]})).await,
            Act::EndByOperator => operator.post(&end, json!({})).await,
            Act::Issue => {
                let body = json!({"customer_id": self.customer["id"], "tier_id": self.ground.tier["id"]});
                once.post("license-keys", body).await
            }
            Act::Revoke => operator.post(&format!("license-keys/{}/revoke", self.id()), json!({"reason": "r"})).await,
            Act::Prolong => once.post(&format!("license-keys/{}/renew", self.id()), json!({})).await,
        }
    }

    /// Asks again as a client does that was told to, or never answered.
    async fn ask_again(&self) -> TestResponse {
        let again = self.ask().await;
        if again.body["code"] != "idempotency_in_progress" {
            return again;
        }
        // A process that died has left its claim: it is stale in a while.
        self.ground.stack.advance(31);
        self.ask().await
    }

    /// How often something happened to the license key.
    async fn happened(&self, kind: &str) -> usize {
        let path = format!("license-keys/{}/events?limit=100", self.id());
        let events = self.ground.stack.operator.get(&path).await.expect_status(200);
        events["items"].as_array().unwrap().iter().filter(|event| event["type"] == kind).count()
    }

    /// Checks that all is as one success leaves it, and that the client was told so: at first unless that was 503, and
    /// again.
    async fn check(&self, first: &TestResponse, why: &str) {
        let is_answered = match self.act {
            Act::Take | Act::TakeOver | Act::Issue => matches!(first.status, 200 | 201),
            _ => first.status == 200,
        };
        if !is_answered {
            assert_eq!(first.status, 503, "{why}: {}", first.text);
            first.expect_problem(503, "unavailable");
        }
        let again = self.ask_again().await;
        let stack = &self.ground.stack;
        let seats = stack.check_seats(self.id()).await;
        let held: Vec<&str> = seats.held.keys().map(String::as_str).collect();
        let is_repeated = !is_answered || first.text == again.text;
        match self.act {
            Act::Take | Act::TakeOver => {
                assert!(again.status == 200 || (again.status == 201 && !is_answered), "{why}: {}", again.text);
                let (kind, all): (_, &[&str]) =
                    if self.act == Act::Take { ("activated", &["one", "other"]) } else { ("taken_over", &["one"]) };
                assert_eq!(held, all, "{why}");
                assert_eq!(self.happened(kind).await, all.len(), "{why}");
                assert_eq!(seats.held["one"], text(&again.body["activation"]["id"]), "{why}");
                assert!(!is_answered || first.body["activation"]["id"] == again.body["activation"]["id"], "{why}");
            }
            Act::Renew | Act::Heartbeat => {
                assert_eq!((again.status, held), (200, vec!["one"]), "{why}: {}", again.text);
                assert_eq!(self.happened("activated").await, 1, "{why}");
                let path = format!("license-activations/{}", text(&self.activated["activation"]["id"]));
                let activation = stack.operator.get(&path).await.expect_status(200);
                assert_eq!(activation["lease_expires_at"], again.body["token_expires_at"], "{why}");
            }
            Act::EndByApp | Act::EndByOperator => {
                assert_eq!((again.status, held.len()), (200, 0), "{why}: {}", again.text);
                assert_eq!((self.happened("deactivated").await, is_repeated), (1, true), "{why}");
                stack.anonymous.activate(&self.license_key, "next").await.expect_status(201);
            }
            Act::Issue => {
                assert_eq!((again.status, is_repeated), (201, true), "{why}: {}", again.text);
                let list = format!("license-keys?customer_id={}", text(&self.customer["id"]));
                let list = stack.operator.get(&list).await.expect_status(200)["items"].clone();
                let states: Vec<_> = list.as_array().unwrap().iter().map(|one| text(&one["status"])).collect();
                assert_eq!(states, ["active", "superseded"], "{why}");
                assert_eq!(list[0]["id"], again.body["license"]["id"], "{why}");
                assert_eq!(self.happened("superseded").await, 1, "{why}");
            }
            Act::Revoke => {
                let revoked = json!({"status": "revoked", "revocation_reason": "r"});
                assert_eq!(again.body, merged(again.body.clone(), &revoked), "{why}");
                assert_eq!((again.status, self.happened("revoked").await, is_repeated), (200, 1, true), "{why}");
            }
            Act::Prolong => {
                assert_eq!((again.status, self.happened("renewed").await, is_repeated), (200, 1, true), "{why}");
                let license = stack.operator.get(&format!("license-keys/{}", self.id())).await.expect_status(200);
                let end = text(&self.license["expires_at"]).replace("2027", "2028");
                assert_eq!((text(&license["expires_at"]), &again.body["expires_at"]), (&*end, &json!(end)), "{why}");
            }
        }
    }
}

/// Lets each call of an act fail in each way, one at a time.
async fn each_call_fails(act: Act) {
    let ground = Ground::prepare(act).await;
    let faults = &ground.stack.faults;
    let clean = Scene::set(&ground, act).await;
    faults.reset_calls();
    let first = clean.ask().await;
    let calls = faults.calls();
    clean.check(&first, "nothing fails").await;
    for nth in 1..=calls.len() {
        for mishap in Mishap::ALL {
            let rules = mishap.rules(&calls[..nth]);
            if rules.is_empty() {
                continue;
            }
            let scene = Scene::set(&ground, act).await;
            for rule in rules {
                faults.add(rule);
            }
            let first = scene.ask().await;
            faults.clear();
            scene.check(&first, &format!("{act:?}: call {nth} of {calls:?}, {mishap:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_free_seat_is_taken_once_whatever_call_fails() {
    each_call_fails(Act::Take).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lapsed_seat_is_taken_over_once_whatever_call_fails() {
    each_call_fails(Act::TakeOver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_renews_its_seat_whatever_call_fails() {
    each_call_fails(Act::Renew).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_extends_its_lease_whatever_call_fails() {
    each_call_fails(Act::Heartbeat).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_ends_its_activation_once_whatever_call_fails() {
    each_call_fails(Act::EndByApp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_an_activation_once_whatever_call_fails() {
    each_call_fails(Act::EndByOperator).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_issued_in_place_of_another_once_whatever_call_fails() {
    each_call_fails(Act::Issue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_revoked_once_whatever_call_fails() {
    each_call_fails(Act::Revoke).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_renewed_by_one_period_whatever_call_fails() {
    each_call_fails(Act::Prolong).await;
}
