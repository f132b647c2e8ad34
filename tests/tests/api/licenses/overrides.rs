//! `PUT license-keys/{id}/overrides`, and what license tokens contain then.

use shared::domain::Scope;
use signet_tests::{Client, Fault, Gate, IssuedLicense, Rule, Stack, Value, json, merged, text};

const MAX_LIMIT: u64 = 9_007_199_254_740_991;

/// A license key whose tier has the flag `export.pdf` and the limit `rows` of 1,000 but not the flag `api` and the limit
/// `projects`.
struct Overridable {
    license: IssuedLicense,
    api: Value,
    rows: Value,
    projects: Value,
}

impl Overridable {
    async fn create(operator: &Client) -> Self {
        let license = operator.issue_new_license(2).await;
        let api = operator.create_feature(&license.product, "api").await;
        let rows = operator.create_limit(&license.product, "rows").await;
        let projects = operator.create_limit(&license.product, "projects").await;
        let limits = json!({"feature_limits": {text(&rows["id"]): 1000}});
        operator.replace("pricing-tiers", &license.tier, &limits).await.expect_status(200);
        Self { license, api, rows, projects }
    }

    fn path(&self) -> String {
        format!("license-keys/{}", self.license.license_id)
    }

    async fn read(&self, stack: &Stack) -> Value {
        stack.operator.get(&self.path()).await.expect_status(200)
    }

    async fn put(&self, client: &Client, overrides: Value) -> signet_tests::TestResponse {
        client.put(&format!("{}/overrides", self.path()), json!({"overrides": overrides})).await
    }

    /// Sends a heartbeat, asserts whether the token is new, and returns it with the claims about features.
    async fn heartbeat(&self, stack: &Stack, token: &Value, renewed: bool) -> (Value, Value) {
        let heartbeat = stack.anonymous.heartbeat(text(token), "one").await.expect_status(200);
        assert_eq!(heartbeat["renewed"], renewed);
        let claims = stack.claims(&heartbeat["token"]).await;
        (heartbeat["token"].clone(), json!([claims["features"], claims["feature_limits"]]))
    }
}

/// Returns an override with these fields.
fn one(feature: &Value, fields: &Value) -> Value {
    merged(json!({"feature_id": feature["id"]}), fields)
}

/// Returns an override as responses show it.
fn shown(feature: &Value, fields: &Value) -> Value {
    merged(json!({"feature_id": feature["id"], "expires_at": null, "note": null}), fields)
}

#[tokio::test]
async fn overrides_apply_before_the_tier_until_they_end() {
    let stack = Stack::start().await;
    let ada = Overridable::create(&stack.operator).await;
    let activated = stack.anonymous.activate(&ada.license.license_key, "one").await.expect_status(201);
    let of_tier = json!([["export.pdf"], {"rows": 1000}]);
    let (token, claims) = ada.heartbeat(&stack, &activated["token"], false).await;
    assert_eq!(claims, of_tier);

    let end = "2026-01-15T12:10:00Z";
    let overrides = json!([
        one(&ada.license.feature, &json!({"enabled": false, "note": "unpaid"})),
        one(&ada.api, &json!({"enabled": true, "expires_at": end})),
        one(&ada.rows, &json!({"limit": null, "expires_at": "2026-01-15T14:20:00+02:00"})),
        one(&ada.projects, &json!({"limit": 0})),
    ]);
    let response = ada.put(&stack.operator, overrides).await;
    let expected = json!([
        shown(&ada.license.feature, &json!({"enabled": false, "note": "unpaid"})),
        shown(&ada.api, &json!({"enabled": true, "expires_at": end})),
        shown(&ada.rows, &json!({"limit": null, "expires_at": "2026-01-15T12:20:00Z"})),
        shown(&ada.projects, &json!({"limit": 0})),
    ]);
    assert_eq!((response.status, &response.body["overrides"]), (200, &expected));
    let read = stack.operator.get(&ada.path()).await;
    assert_eq!((&read.text, read.header("etag")), (&response.text, response.header("etag")));

    // A young token is not reused, because its content differs.
    let (token, claims) = ada.heartbeat(&stack, &token, true).await;
    assert_eq!(claims, json!([["api"], {"projects": 0, "rows": null}]));
    let exp = stack.claims(&token).await["exp"].clone();
    assert_eq!(exp, 1_768_478_400 + 3600, "the end of an override does not shorten a token");
    stack.advance(599);
    ada.heartbeat(&stack, &token, false).await;
    stack.advance(1);
    let (token, claims) = ada.heartbeat(&stack, &token, true).await;
    assert_eq!(claims, json!([[], {"projects": 0, "rows": null}]), "the override of api has ended");
    stack.advance(600);
    let (_, claims) = ada.heartbeat(&stack, &token, true).await;
    assert_eq!(claims, json!([[], {"projects": 0, "rows": 1000}]), "and so has that of rows");
    assert_eq!(ada.read(&stack).await["overrides"], expected, "overrides that have ended are kept");
    // Every token of the license key has the overrides.
    let regenerated = stack.operator.post(&format!("{}/regenerate", ada.path()), json!({})).await.expect_status(200);
    assert_eq!(stack.claims(&regenerated["token"]).await["feature_limits"], json!({"projects": 0, "rows": 1000}));

    let none = ada.put(&stack.operator, json!([])).await.expect_status(200);
    assert_eq!(none["overrides"], json!([]));
    let again = stack.anonymous.activate(text(&regenerated["license_key"]), "one").await.expect_status(201);
    let claims = stack.claims(&again["token"]).await;
    assert_eq!(json!([claims["features"], claims["feature_limits"]]), of_tier);
}

#[tokio::test]
async fn overrides_are_rejected_where_they_do_not_fit_the_feature() {
    let stack = Stack::start().await;
    let operator = &stack.operator;
    let ada = Overridable::create(operator).await;
    let other = operator.create_product().await;
    let foreign = operator.create_feature(&other, "api").await;
    let unknown = json!({"id": "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB"});
    let before = ada.read(&stack).await;
    let (flag, limit) = (|fields: Value| one(&ada.api, &fields), |fields: Value| one(&ada.rows, &fields));
    let on = || flag(json!({"enabled": true}));
    let now = "2026-01-15T12:00:00Z";
    for (overrides, errors) in [
        (json!([one(&foreign, &json!({"enabled": true}))]), &["/overrides/0/feature_id feature_of_other_product"][..]),
        (json!([on(), one(&unknown, &json!({"limit": 5}))]), &["/overrides/1/feature_id invalid_value"]),
        (json!([on(), flag(json!({"enabled": false}))]), &["/overrides/1/feature_id invalid_value"]),
        (json!([{"enabled": true}]), &["/overrides/0/feature_id invalid_value"]),
        (json!([one(&json!({"id": "x"}), &json!({"enabled": true}))]), &["/overrides/0/feature_id invalid_value"]),
        (json!([flag(json!({}))]), &["/overrides/0/enabled invalid_value"]),
        (json!([flag(json!({"enabled": null}))]), &["/overrides/0/enabled invalid_value"]),
        (json!([flag(json!({"enabled": "yes"}))]), &["/overrides/0/enabled invalid_value"]),
        (json!([flag(json!({"enabled": true, "limit": 5}))]), &["/overrides/0/limit invalid_value"]),
        (json!([flag(json!({"enabled": true, "limit": null}))]), &["/overrides/0/limit invalid_value"]),
        (
            json!([flag(json!({"limit": 5}))]),
            &["/overrides/0/enabled invalid_value", "/overrides/0/limit invalid_value"],
        ),
        (json!([limit(json!({}))]), &["/overrides/0/limit invalid_value"]),
        (json!([limit(json!({"enabled": true, "limit": 5}))]), &["/overrides/0/enabled invalid_value"]),
        (
            json!([limit(json!({"enabled": true}))]),
            &["/overrides/0/enabled invalid_value", "/overrides/0/limit invalid_value"],
        ),
        (json!([limit(json!({"limit": -1}))]), &["/overrides/0/limit invalid_value"]),
        (json!([limit(json!({"limit": 1.5}))]), &["/overrides/0/limit invalid_value"]),
        (json!([limit(json!({"limit": "5"}))]), &["/overrides/0/limit invalid_value"]),
        (json!([limit(json!({"limit": MAX_LIMIT + 1}))]), &["/overrides/0/limit invalid_value"]),
        (json!([limit(json!({"limit": 5, "expires_at": now}))]), &["/overrides/0/expires_at invalid_value"]),
        (
            json!([limit(json!({"limit": 5, "expires_at": "2026-01-01T00:00:00Z"}))]),
            &["/overrides/0/expires_at invalid_value"],
        ),
        (json!([limit(json!({"limit": 5, "expires_at": "soon"}))]), &["/overrides/0/expires_at invalid_value"]),
        (json!([limit(json!({"limit": 5, "note": ""}))]), &["/overrides/0/note invalid_value"]),
        (json!([limit(json!({"limit": 5, "note": "é".repeat(101)}))]), &["/overrides/0/note invalid_value"]),
        (json!([limit(json!({"limit": 5, "note": "a\u{200b}"}))]), &["/overrides/0/note invalid_value"]),
        (json!([limit(json!({"limit": 5, "kind": "limit"}))]), &["/overrides/0/kind unknown_field"]),
        (json!([on(), limit(json!({"limit": -1, "colour": 1}))]), &["/overrides/1/limit invalid_value"]),
        (
            json!([flag(json!({"enabled": true, "limit": 1, "note": " "})), limit(json!({"expires_at": now}))]),
            &[
                "/overrides/0/limit invalid_value",
                "/overrides/0/note invalid_value",
                "/overrides/1/limit invalid_value",
                "/overrides/1/expires_at invalid_value",
            ],
        ),
        (json!([5]), &["/overrides/0 invalid_value"]),
        (json!({}), &["/overrides invalid_value"]),
        (Value::Null, &["/overrides invalid_value"]),
        (Value::Array(vec![on(); 21]), &["/overrides invalid_value"]),
    ] {
        ada.put(operator, overrides).await.expect_errors(422, errors);
    }
    operator
        .put(&format!("{}/overrides", ada.path()), json!({}))
        .await
        .expect_errors(422, &["/overrides invalid_value"]);
    assert_eq!(ada.read(&stack).await, before, "a rejected request changes nothing");
    let most = limit(json!({"limit": MAX_LIMIT, "note": "é".repeat(100), "expires_at": "2026-01-15T12:00:00.001Z"}));
    ada.put(operator, json!([most])).await.expect_status(200);
}

#[tokio::test]
async fn overrides_need_the_scope_a_license_key_that_can_be_changed_and_its_version() {
    let stack = Stack::start().await;
    let ada = Overridable::create(&stack.operator).await;
    let overrides = || json!([one(&ada.rows, &json!({"limit": 5}))]);
    let reader = stack.client_with_scopes(&[Scope::LicensesRead, Scope::CatalogWrite]).await;
    ada.put(&reader, overrides()).await.expect_problem(403, "forbidden");
    ada.put(&stack.anonymous, overrides()).await.expect_problem(401, "unauthenticated");
    let unknown = "license-keys/lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB/overrides";
    stack.operator.put(unknown, json!({"overrides": []})).await.expect_problem(404, "not_found");

    let tag = stack.operator.get(&ada.path()).await.header("etag").to_owned();
    let conditional = stack.operator.with_header("if-match", &tag);
    let set = ada.put(&conditional, overrides()).await;
    assert_eq!(set.status, 200, "{}", set.text);
    ada.put(&conditional, json!([])).await.expect_problem(412, "version_conflict");
    // A note is part of the version.
    let current = stack.operator.with_header("if-match", set.header("etag"));
    ada.put(&current, json!([one(&ada.rows, &json!({"limit": 5, "note": "a"}))])).await.expect_status(200);
    ada.put(&current, json!([])).await.expect_problem(412, "version_conflict");

    let post = async |action: &str, body: Value| {
        stack.operator.post(&format!("{}/{action}", ada.path()), body).await.expect_status(200);
    };
    post("suspend", json!({})).await;
    ada.put(&stack.operator, json!([one(&ada.rows, &json!({"limit": 6}))])).await.expect_status(200);
    post("reinstate", json!({})).await;
    post("renew", json!({"expires_at": "2026-01-15T12:00:10Z"})).await;
    stack.advance(10);
    let expired = ada.put(&stack.operator, json!([one(&ada.rows, &json!({"limit": 7}))])).await.expect_status(200);
    assert_eq!((&expired["status"], &expired["overrides"][0]["limit"]), (&json!("expired"), &json!(7)));
    post("revoke", json!({})).await;
    ada.put(&stack.operator, json!([])).await.expect_problem(409, "state_conflict");
    assert_eq!(ada.read(&stack).await["overrides"][0]["limit"], 7);
}

#[tokio::test]
async fn overrides_write_one_event_without_notes_and_lists_omit_them() {
    let stack = Stack::start().await;
    let ada = Overridable::create(&stack.operator).await;
    let first = one(&ada.rows, &json!({"limit": null, "note": "for Ada"}));
    ada.put(&stack.operator, json!([first])).await.expect_status(200);
    stack.advance(1);
    stack.faults.reset_calls();
    let end = "2027-01-01T00:00:00Z";
    let second = one(&ada.api, &json!({"enabled": true, "expires_at": end}));
    ada.put(&stack.operator, json!([second])).await.expect_status(200);
    let writes = stack.faults.calls().into_iter().filter(|call| !matches!(call.as_str(), "GetItem" | "Query"));
    assert_eq!(writes.collect::<Vec<_>>(), ["TransactWriteItems"]);
    let events = stack.license_events(&ada.license.license_id).await;
    let overridden: Vec<_> = events.iter().filter(|event| event["type"] == "license.overridden").collect();
    assert_eq!(overridden.len(), 2);
    let rows = json!({"feature_id": ada.rows["id"], "limit": null, "expires_at": null});
    let api = json!({"feature_id": ada.api["id"], "enabled": true, "expires_at": end});
    let mut data: Vec<_> = overridden.iter().map(|event| event["data"].clone()).collect();
    data.sort_by_key(|data| data["from"] != json!([]));
    assert_eq!(data, [json!({"from": [], "overrides": [rows]}), json!({"from": [rows], "overrides": [api]})]);
    assert!(!json!(events).to_string().contains("for Ada"), "notes can be personal data, and events are never deleted");

    let list = stack.operator.get("license-keys").await.expect_status(200);
    assert!(list["items"][0].get("overrides").is_none() && list["items"][0].get("metadata").is_none(), "{list}");
    let body = json!({"license_key": ada.license.license_key});
    let validation = stack.anonymous.post("license-keys/validate", body).await.expect_status(200);
    assert!(validation["license"].get("overrides").is_none(), "{validation}");
    // Other changes of the license key keep the overrides and their notes.
    let note = one(&ada.rows, &json!({"limit": 5, "note": "kept"}));
    let expected = ada.put(&stack.operator, json!([note])).await.expect_status(200)["overrides"].clone();
    let patched = stack.operator.patch(&ada.path(), json!({"name": "Berlin"})).await.expect_status(200);
    assert_eq!(patched["overrides"], expected);
    for (action, body) in [("suspend", json!({})), ("reinstate", json!({})), ("change", json!({"max_users": 9}))] {
        let changed = stack.operator.post(&format!("{}/{action}", ada.path()), body).await.expect_status(200);
        assert_eq!(changed["overrides"], expected, "{action}");
    }
    // Features belong to the product, so overrides stay when the license key is changed to another of its tiers.
    let bigger = json!({"includes_tier_id": ada.license.tier["id"], "feature_limits": {text(&ada.rows["id"]): 9}});
    let bigger = stack.operator.create_tier(&ada.license.product, &bigger).await;
    let change = json!({"tier_id": bigger["id"]});
    let changed = stack.operator.post(&format!("{}/change", ada.path()), change).await.expect_status(200);
    assert_eq!(changed["overrides"], expected);
    let activated = stack.anonymous.activate(&ada.license.license_key, "one").await.expect_status(201);
    assert_eq!(stack.claims(&activated["token"]).await["feature_limits"], json!({"rows": 5}));
    let revoked = stack.operator.post(&format!("{}/revoke", ada.path()), json!({})).await.expect_status(200);
    assert_eq!(revoked["overrides"], expected);
    let again = stack.operator.post(&format!("{}/revoke", ada.path()), json!({})).await.expect_status(200);
    assert_eq!(again["overrides"], expected);
}

#[tokio::test]
async fn display_only_features_do_not_enter_tokens() {
    let stack = Stack::start().await;
    let ada = Overridable::create(&stack.operator).await;
    for feature in [&ada.api, &ada.projects] {
        stack.operator.replace("product-features", feature, &json!({"display_only": true})).await.expect_status(200);
    }
    let overrides = json!([one(&ada.api, &json!({"enabled": true})), one(&ada.projects, &json!({"limit": 5}))]);
    ada.put(&stack.operator, overrides).await.expect_status(200);
    let activated = stack.anonymous.activate(&ada.license.license_key, "one").await.expect_status(201);
    let claims = stack.claims(&activated["token"]).await;
    assert_eq!(json!([claims["features"], claims["feature_limits"]]), json!([["export.pdf"], {"rows": 1000}]));
}

#[tokio::test]
async fn an_override_of_a_feature_that_the_cached_catalog_does_not_have_applies_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = signet_local::DataDirectory::open(folder.path()).unwrap();
    let [stack, other] = Stack::start_pair(&folder).await;
    let ada = Overridable::create(&stack.operator).await;
    let activated = stack.anonymous.activate(&ada.license.license_key, "one").await.expect_status(201);
    ada.heartbeat(&stack, &activated["token"], false).await;
    let new = other.operator.create_feature(&ada.license.product, "new").await;
    ada.put(&other.operator, json!([one(&new, &json!({"enabled": true}))])).await.expect_status(200);
    let (_, claims) = ada.heartbeat(&stack, &activated["token"], true).await;
    assert_eq!(claims, json!([["export.pdf", "new"], {"rows": 1000}]));
}

/// Sends a PUT that reads the license key, and that is written after it was changed by other requests. Returns its status.
async fn put_late(stack: &Stack, ada: &Overridable, changes: &[(&str, &str, Value)]) -> u16 {
    let gate = Gate::default();
    stack.faults.add(Rule::new("TransactWriteItems", Fault::HoldRequest(gate.clone())).containing("overridden"));
    let tag = stack.operator.get(&ada.path()).await.header("etag").to_owned();
    let client = stack.operator.with_header("if-match", &tag);
    let body = json!({"overrides": [one(&ada.rows, &json!({"limit": 7}))]});
    let path = format!("{}/overrides", ada.path());
    let late = tokio::spawn(async move { client.put(&path, body).await });
    gate.wait_for_request().await;
    for (method, action, body) in changes {
        let path = format!("{}/{action}", ada.path());
        let method: reqwest::Method = method.parse().unwrap();
        stack.operator.send(method, &path, |request| request.json(body)).await.expect_status(200);
    }
    gate.open();
    late.await.unwrap().status
}

#[tokio::test]
async fn a_delayed_change_of_overrides_undoes_neither_another_one_nor_a_revocation() {
    let stack = Stack::start().await;
    let ada = Overridable::create(&stack.operator).await;
    let with_note = |note: Value| json!({"overrides": [one(&ada.rows, &json!({"limit": 5, "note": note}))]});
    // Only the value differs, then only the note.
    for note in [Value::Null, json!("first"), json!("second")] {
        assert_eq!(put_late(&stack, &ada, &[("PUT", "overrides", with_note(note.clone()))]).await, 412);
        let read = ada.read(&stack).await;
        assert_eq!((&read["overrides"][0]["limit"], &read["overrides"][0]["note"]), (&json!(5), &note));
    }
    assert_eq!(put_late(&stack, &ada, &[("POST", "revoke", json!({}))]).await, 412);
    assert_eq!(ada.read(&stack).await["overrides"][0]["limit"], 5);

    // A suspension at the same moment stays, and so do the overrides.
    let bob = Overridable::create(&stack.operator).await;
    assert_eq!(put_late(&stack, &bob, &[("POST", "suspend", json!({}))]).await, 200);
    let read = bob.read(&stack).await;
    assert_eq!((&read["status"], &read["overrides"][0]["limit"]), (&json!("suspended"), &json!(7)));
}

#[tokio::test]
async fn a_change_of_overrides_takes_effect_once_whichever_response_is_lost() {
    let stack = Stack::start().await;
    let ada = Overridable::create(&stack.operator).await;
    let put = async |limit: u32| {
        ada.put(&stack.operator, json!([one(&ada.rows, &json!({"limit": limit, "note": "a"}))])).await
    };
    stack.faults.add(Rule::new("TransactWriteItems", Fault::LoseResponse));
    put(5).await.expect_status(200);
    stack.faults.add(Rule::new("TransactWriteItems", Fault::Cancel("TransactionConflict")));
    put(6).await.expect_status(200);
    // Nothing is written if the transaction fails.
    stack.faults.add(Rule::new("TransactWriteItems", Fault::RefuseConnection).always());
    put(7).await.expect_problem(503, "unavailable");
    stack.faults.clear();
    let read = ada.read(&stack).await;
    assert_eq!((&read["overrides"][0]["limit"], &read["overrides"][0]["note"]), (&json!(6), &json!("a")));
    let events = stack.license_events(&ada.license.license_id).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "license.overridden").count(), 2);
}
