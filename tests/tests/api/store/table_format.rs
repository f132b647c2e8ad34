//! The table's format: every attribute of every kind of item, and the absence of readable secrets.

use std::{collections::BTreeMap, fmt::Write};

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use signet_tests::{
    AppKey, Behavior, Gate, IssuedLicense, SecretSearch, Stack, TestResponse, Value, WebhookReceiver, json, merged,
    secret_fragments, text,
};

/// Issues a license with constant names and codes, so that the table's text is the same in each run. Returns it and the
/// included tier.
async fn issue_license(stack: &Stack) -> (IssuedLicense, Value) {
    let operator = &stack.operator;
    let product = json!({"code": "atlas", "name": "Atlas", "description": "Maps"});
    let product = operator.post("products", product).await.expect_status(201);
    let feature =
        json!({"product_id": product["id"], "key": "export.pdf", "name": "PDF export", "description": "As a file"});
    let feature = operator.post("product-features", feature).await.expect_status(201);
    let limit =
        json!({"product_id": product["id"], "key": "export.rows", "name": "Rows", "kind": "limit", "unit": "rows"});
    let limit = operator.post("product-features", limit).await.expect_status(201);
    let base = json!({
        "product_id": product["id"], "code": "basic", "name": "Basic", "offline_grace_seconds": 0, "monthly_price": 0, "annual_price": 0,
        "currency": "EUR", "billing_period": "monthly", "max_users": 2,
    });
    let base = operator.post("pricing-tiers", base).await.expect_status(201);
    let tier = json!({
        "product_id": product["id"], "code": "pro", "name": "Pro", "description": "More", "offline_grace_seconds": 0, "monthly_price": 1900,
        "annual_price": 19000, "currency": "EUR", "billing_period": "annual", "max_users": 5, "max_tenants": 3,
        "includes_tier_id": base["id"], "feature_ids": [feature["id"]], "renew_after_seconds": 300,
        "feature_limits": {text(&limit["id"]): 1000},
        "metadata": {"segment": "teams"},
    });
    let tier = operator.post("pricing-tiers", tier).await.expect_status(201);
    let customer = json!({
        "name": "Ada Lovelace", "email": "Ada@example.com", "company": "Analytical Engines", "external_id": "crm-1",
        "metadata": {"segment": "research"},
    });
    let customer = operator.post("customers", customer).await.expect_status(201);
    let labels = json!({"max_users": 1, "name": "Berlin", "external_id": "order-1", "metadata": {"order": "A-1042"}});
    let issued = operator.issue(&customer, &tier, &labels).await;
    let (license_id, license_key) =
        (text(&issued["license"]["id"]).to_owned(), text(&issued["license_key"]).to_owned());
    let overrides = json!({"overrides": [
        {"feature_id": feature["id"], "enabled": false, "expires_at": "2027-01-01T00:00:00Z", "note": "Unpaid"},
        {"feature_id": limit["id"], "limit": null},
    ]});
    operator.put(&format!("license-keys/{license_id}/overrides"), overrides).await.expect_status(200);
    (IssuedLicense { product, feature, tier, customer, issued, license_id, license_key }, base)
}

/// Returns a label for the kind of an item, from its keys and a few attributes.
fn kind(item: &Value) -> String {
    let word = |key: &str| {
        let key = text(&item[key]["S"]);
        let is_api_key = key.strip_prefix("key_").is_some();
        let words = if ["RATE#", "HISTORY#"].iter().any(|start| key.starts_with(start)) { 2 } else { 1 };
        if is_api_key { "key_".to_owned() } else { key.split('#').take(words).collect::<Vec<_>>().join("#") }
    };
    let (pk, sk) = (word("PK"), word("SK"));
    let ended = if item["ended_at"]["N"].is_string() { " ended" } else { "" };
    let event = item["type"]["S"].as_str().map(|kind| format!(" {kind}")).unwrap_or_default();
    let status =
        if pk == "LICENSE" && sk == "LICENSE" { format!(" {}", text(&item["status"]["S"])) } else { String::new() };
    let status = item["state"]["S"].as_str().map_or(status, |state| format!(" {state}"));
    let machine = item["machine_id"]["S"].as_str().or(item["data"]["M"]["machine_id"]["S"].as_str());
    let machine = machine.map(|machine| format!(" of {machine}")).unwrap_or_default();
    let code = match sk.as_str() {
        "TIER" => format!(" {}", text(&item["code"]["S"])),
        "EVENT" if pk.starts_with("HISTORY#") => {
            let name = |field: &str| item["data"]["M"][field]["S"].as_str().map(|name| format!(" of {name}"));
            name("code").or_else(|| name("key")).unwrap_or_default()
        }
        "FEATURE" => format!(" {}", text(&item["kind"]["S"])),
        "FACTS" => {
            item["machine_name"]["S"].as_str().map_or(" without a name".to_owned(), |name| format!(" of {name}"))
        }
        _ => String::new(),
    };
    format!("{pk} / {sk}{ended}{event}{status}{code}{machine}")
}

/// Formats a value in DynamoDB's JSON, with placeholders for random parts.
fn format_value(value: &Value) -> String {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "S" => format!("S {}", redacted(text(value))),
        "B" => format!("B of {}", BASE64.decode(text(value).as_bytes()).unwrap().len()),
        "NULL" => "NULL".to_owned(),
        "SS" => format!(
            "SS {}",
            value.as_array().unwrap().iter().map(|one| redacted(text(one))).collect::<Vec<_>>().join(", ")
        ),
        "L" => format!("L [{}]", value.as_array().unwrap().iter().map(format_value).collect::<Vec<_>>().join(", ")),
        "M" => {
            let fields = value.as_object().unwrap().iter().collect::<BTreeMap<_, _>>();
            let fields = fields.into_iter().map(|(name, value)| format!("{}: {}", redacted(name), format_value(value)));
            format!("M {{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        _ => format!("{kind} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    }
}

/// Replaces ULIDs, hashes and nonces by their names.
fn redacted(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let is_hex = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match word.len() {
            26 if word.starts_with("01K") => out.push_str("ULID"),
            64 if is_hex => out.push_str("SHA256"),
            20 if is_hex => out.push_str("NONCE"),
            _ => out.push_str(word),
        }
        out.push_str(&part[word.len()..]);
    }
    out
}

const EXPECTED: &str = "
APIKEYS / ACCESS
    PK S APIKEYS
    SK S ACCESS
    ids SS key_ULID
APIKEYS / key_
    PK S APIKEYS
    SK S key_ULID
    created_at S 2026-01-15T12:00:00Z
    expires_at NULL
    id S key_ULID
    last_used_at S 2026-01-15T13:00:01Z
    name S Local operator
    scopes L [S *]
    secret_sha256 S SHA256
CATALOG / ENTRY_METADATA
    PK S CATALOG
    SK S ENTRY_METADATA#tier_ULID
    metadata M {segment: S teams}
CATALOG / FEATURE flag
    PK S CATALOG
    SK S FEATURE#feat_ULID
    created_at S 2026-01-15T12:00:00Z
    description S As a file
    display_only BOOL false
    id S feat_ULID
    key S export.pdf
    kind S flag
    name S PDF export
    product_id S prod_ULID
    sort_order N 0
    unit NULL
    updated_at S 2026-01-15T12:00:00Z
CATALOG / FEATURE limit
    PK S CATALOG
    SK S FEATURE#feat_ULID
    created_at S 2026-01-15T12:00:00Z
    description NULL
    display_only BOOL false
    id S feat_ULID
    key S export.rows
    kind S limit
    name S Rows
    product_id S prod_ULID
    sort_order N 0
    unit S rows
    updated_at S 2026-01-15T12:00:00Z
CATALOG / PRODUCT
    PK S CATALOG
    SK S PRODUCT#prod_ULID
    code S atlas
    created_at S 2026-01-15T12:00:00Z
    description S Maps
    id S prod_ULID
    is_active BOOL true
    name S Atlas
    one_key_per_customer BOOL true
    sort_order N 0
    updated_at S 2026-01-15T12:00:00Z
CATALOG / TIER basic
    PK S CATALOG
    SK S TIER#tier_ULID
    annual_price N 0
    billing_period S monthly
    code S basic
    created_at S 2026-01-15T12:00:00Z
    currency S EUR
    description NULL
    expiry_grace_seconds N 0
    feature_ids L []
    feature_limits M {}
    heartbeat_interval_seconds N 900
    id S tier_ULID
    includes_tier_id NULL
    is_active BOOL true
    is_claimable BOOL false
    max_borrow_seconds N 0
    max_tenants NULL
    max_users N 2
    monthly_price N 0
    name S Basic
    offline_grace_seconds N 0
    product_id S prod_ULID
    renew_after_seconds NULL
    seat_unit S machine
    sort_order N 0
    token_ttl_seconds N 3600
    updated_at S 2026-01-15T12:00:00Z
CATALOG / TIER pro
    PK S CATALOG
    SK S TIER#tier_ULID
    annual_price N 19000
    billing_period S annual
    code S pro
    created_at S 2026-01-15T12:00:00Z
    currency S EUR
    description S More
    expiry_grace_seconds N 0
    feature_ids L [S feat_ULID]
    feature_limits M {feat_ULID: N 1000}
    heartbeat_interval_seconds N 900
    id S tier_ULID
    includes_tier_id S tier_ULID
    is_active BOOL true
    is_claimable BOOL false
    max_borrow_seconds N 0
    max_tenants N 3
    max_users N 5
    monthly_price N 1900
    name S Pro
    offline_grace_seconds N 0
    product_id S prod_ULID
    renew_after_seconds N 300
    seat_unit S machine
    sort_order N 0
    token_ttl_seconds N 3600
    updated_at S 2026-01-15T12:00:00Z
CATALOG / VERSION
    PK S CATALOG
    SK S VERSION
    version N 5
CURRENT / PRODUCT
    PK S CURRENT#cus_ULID
    SK S PRODUCT#prod_ULID
    license_id S lic_ULID
CUSTOMER / CUSTOMER
    GSI1PK S CUSTOMERS
    GSI1SK S NAME#ada lovelace\u{1f}cus_ULID
    GSI3PK S CUSTOMERS
    GSI3SK S EMAIL#ada@example.com\u{1f}cus_ULID
    PK S CUSTOMER#cus_ULID
    SK S CUSTOMER
    company S Analytical Engines
    created_at S 2026-01-15T12:00:00Z
    email S Ada@example.com
    external_id S crm-1
    id S cus_ULID
    name S Ada Lovelace
    updated_at S 2026-01-15T12:00:00Z
    version N 1
CUSTOMER / METADATA
    PK S CUSTOMER#cus_ULID
    SK S METADATA
    metadata M {segment: S research}
CUSTOMER_EXTERNAL_ID / CUSTOMER_EXTERNAL_ID
    PK S CUSTOMER_EXTERNAL_ID#SHA256
    SK S CUSTOMER_EXTERNAL_ID#SHA256
    customer_id S cus_ULID
EMAIL / EMAIL
    PK S EMAIL#SHA256
    SK S EMAIL#SHA256
    customer_id S cus_ULID
HISTORY#api_key / EVENT api_key.created
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#api_key#key_ULID
    SK S EVENT#ULID
    actor M {id: S local_server, kind: S system}
    at S 2026-01-15T12:00:00Z
    data M {expires_at: NULL, name: S Local operator, scopes: L [S *]}
    id S evt_ULID
    ip NULL
    license_id NULL
    request_id NULL
    subject M {id: S key_ULID, type: S api_key}
    type S api_key.created
HISTORY#customer / EVENT customer.created
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#customer#cus_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T12:00:00Z
    data M {origin: S operator}
    id S evt_ULID
    ip S 127.0.0.1
    license_id NULL
    request_id S TRACE
    subject M {id: S cus_ULID, type: S customer}
    type S customer.created
HISTORY#pricing_tier / EVENT pricing_tier.created of basic
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#pricing_tier#tier_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T12:00:00Z
    data M {annual_price: N 0, billing_period: S monthly, code: S basic, created_at: S 2026-01-15T12:00:00Z, currency: S EUR, description: NULL, expiry_grace_seconds: N 0, feature_ids: L [], feature_limits: M {}, heartbeat_interval_seconds: N 900, id: S tier_ULID, includes_tier_id: NULL, is_active: BOOL true, is_claimable: BOOL false, max_borrow_seconds: N 0, max_tenants: NULL, max_users: N 2, metadata: M {}, monthly_price: N 0, name: S Basic, offline_grace_seconds: N 0, product_id: S prod_ULID, renew_after_seconds: NULL, seat_unit: S machine, sort_order: N 0, token_ttl_seconds: N 3600, updated_at: S 2026-01-15T12:00:00Z}
    id S evt_ULID
    ip S 127.0.0.1
    license_id NULL
    request_id S TRACE
    subject M {id: S tier_ULID, type: S pricing_tier}
    type S pricing_tier.created
HISTORY#pricing_tier / EVENT pricing_tier.created of pro
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#pricing_tier#tier_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T12:00:00Z
    data M {annual_price: N 19000, billing_period: S annual, code: S pro, created_at: S 2026-01-15T12:00:00Z, currency: S EUR, description: S More, expiry_grace_seconds: N 0, feature_ids: L [S feat_ULID], feature_limits: M {feat_ULID: N 1000}, heartbeat_interval_seconds: N 900, id: S tier_ULID, includes_tier_id: S tier_ULID, is_active: BOOL true, is_claimable: BOOL false, max_borrow_seconds: N 0, max_tenants: N 3, max_users: N 5, metadata: M {segment: S teams}, monthly_price: N 1900, name: S Pro, offline_grace_seconds: N 0, product_id: S prod_ULID, renew_after_seconds: N 300, seat_unit: S machine, sort_order: N 0, token_ttl_seconds: N 3600, updated_at: S 2026-01-15T12:00:00Z}
    id S evt_ULID
    ip S 127.0.0.1
    license_id NULL
    request_id S TRACE
    subject M {id: S tier_ULID, type: S pricing_tier}
    type S pricing_tier.created
HISTORY#product / EVENT product.created of atlas
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#product#prod_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T12:00:00Z
    data M {code: S atlas, created_at: S 2026-01-15T12:00:00Z, description: S Maps, id: S prod_ULID, is_active: BOOL true, metadata: M {}, name: S Atlas, one_key_per_customer: BOOL true, sort_order: N 0, updated_at: S 2026-01-15T12:00:00Z}
    id S evt_ULID
    ip S 127.0.0.1
    license_id NULL
    request_id S TRACE
    subject M {id: S prod_ULID, type: S product}
    type S product.created
HISTORY#product_feature / EVENT product_feature.created of export.pdf
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#product_feature#feat_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T12:00:00Z
    data M {created_at: S 2026-01-15T12:00:00Z, description: S As a file, display_only: BOOL false, id: S feat_ULID, key: S export.pdf, kind: S flag, name: S PDF export, product_id: S prod_ULID, sort_order: N 0, unit: NULL, updated_at: S 2026-01-15T12:00:00Z}
    id S evt_ULID
    ip S 127.0.0.1
    license_id NULL
    request_id S TRACE
    subject M {id: S feat_ULID, type: S product_feature}
    type S product_feature.created
HISTORY#product_feature / EVENT product_feature.created of export.rows
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#product_feature#feat_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T12:00:00Z
    data M {created_at: S 2026-01-15T12:00:00Z, description: NULL, display_only: BOOL false, id: S feat_ULID, key: S export.rows, kind: S limit, name: S Rows, product_id: S prod_ULID, sort_order: N 0, unit: S rows, updated_at: S 2026-01-15T12:00:00Z}
    id S evt_ULID
    ip S 127.0.0.1
    license_id NULL
    request_id S TRACE
    subject M {id: S feat_ULID, type: S product_feature}
    type S product_feature.created
HISTORY#signing_key / EVENT signing_key.created
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#signing_key#kid
    SK S EVENT#ULID
    actor M {id: S rotation, kind: S system}
    at S 2026-01-15T12:00:00Z
    data M {serial: N serial}
    id S evt_ULID
    ip NULL
    license_id NULL
    request_id NULL
    subject M {id: S kid, type: S signing_key}
    type S signing_key.created
HISTORY#signing_key / EVENT signing_key.promoted
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#signing_key#kid
    SK S EVENT#ULID
    actor M {id: S rotation, kind: S system}
    at S 2026-01-15T12:00:00Z
    data M {replaces: NULL}
    id S evt_ULID
    ip NULL
    license_id NULL
    request_id NULL
    subject M {id: S kid, type: S signing_key}
    type S signing_key.promoted
HISTORY#signing_key / EVENT signing_key.published
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S HISTORY#signing_key#kid
    SK S EVENT#ULID
    actor M {id: S rotation, kind: S system}
    at S 2026-01-15T12:00:00Z
    data M {}
    id S evt_ULID
    ip NULL
    license_id NULL
    request_id NULL
    subject M {id: S kid, type: S signing_key}
    type S signing_key.published
KEY / KEY
    PK S KEY#SHA256
    SK S KEY
    generation N 1
    license_id S lic_ULID
KEYRING / KEY current
    PK S KEYRING
    SK S KEY#kid
    condemned_at NULL
    condemned_reason NULL
    created_at S 2026-01-15T12:00:00Z
    e S AQAB
    ended_at NULL
    handle S of 43
    kid S of 43
    longest_life_seconds N 3600
    n S of 342
    published_at S 2026-01-15T12:00:00Z
    retires_at NULL
    serial N 1
    signs_since S 2026-01-15T12:00:00Z
    state S current
KEYRING / KEY next
    PK S KEYRING
    SK S KEY#kid
    condemned_at NULL
    condemned_reason NULL
    created_at S 2026-01-15T12:00:00Z
    e S AQAB
    ended_at NULL
    handle S of 43
    kid S of 43
    longest_life_seconds N 0
    n S of 342
    published_at S 2026-01-15T12:00:00Z
    retires_at NULL
    serial N 2
    signs_since NULL
    state S next
KEYRING / RING
    PK S KEYRING
    SK S RING
    created_at S 2026-01-15T12:00:00Z
    made N 2
    making NULL
    version N 6
KEYRING / ROOTS
    PK S KEYRING
    SK S ROOTS
    roots L [M of e, handle, kid, n]
KEYRING / SIGNED_SET
    PK S KEYRING
    SK S SIGNED_SET
    expires_at S 2026-01-22T12:00:00Z
    issued_at S 2026-01-15T12:00:00Z
    issuer S of many
    jwt S of many
    kids L of 2
    root_kid S of 43
LICENSE / EVENT activation.created of first
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S act_ULID_SHA256_NONCE, kind: S app}
    at S 2026-01-15T12:00:00Z
    data M {activation_id: S act_ULID_SHA256_NONCE, app_version: NULL, machine_id: S first, machine_name: S first!, os: NULL, seat: N 0}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S act_ULID_SHA256_NONCE, type: S activation}
    type S activation.created
LICENSE / EVENT activation.created of fourth
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S act_ULID_SHA256_NONCE, kind: S app}
    at S 2026-01-15T13:00:01Z
    data M {activation_id: S act_ULID_SHA256_NONCE, app_version: NULL, machine_id: S fourth, machine_name: NULL, os: NULL, seat: NULL}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S act_ULID_SHA256_NONCE, type: S activation}
    type S activation.created
LICENSE / EVENT activation.created of second
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S act_ULID_SHA256_NONCE, kind: S app}
    at S 2026-01-15T12:00:01Z
    data M {activation_id: S act_ULID_SHA256_NONCE, app_version: NULL, machine_id: S second, machine_name: S second!, os: NULL, seat: N 0}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S act_ULID_SHA256_NONCE, type: S activation}
    type S activation.created
LICENSE / EVENT activation.deactivated of first
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S act_ULID_SHA256_NONCE, kind: S app}
    at S 2026-01-15T12:00:01Z
    data M {activation_id: S act_ULID_SHA256_NONCE, machine_id: S first}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S act_ULID_SHA256_NONCE, type: S activation}
    type S activation.deactivated
LICENSE / EVENT activation.taken_over of third
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S act_ULID_SHA256_NONCE, kind: S app}
    at S 2026-01-15T13:00:01Z
    data M {activation_id: S act_ULID_SHA256_NONCE, app_version: S 4.2.1, machine_id: S third, machine_name: S third!, os: S Windows 11, seat: N 0, taken_from: M {activation_id: S act_ULID_SHA256_NONCE, machine_id: S second}}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S act_ULID_SHA256_NONCE, type: S activation}
    type S activation.taken_over
LICENSE / EVENT license.issued
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T13:00:01Z
    data M {customer_id: S cus_ULID, tier: S pro}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S lic_ULID, type: S license}
    type S license.issued
LICENSE / EVENT license.overridden
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T12:00:00Z
    data M {from: L [], overrides: L [M {enabled: BOOL false, expires_at: S 2027-01-01T00:00:00Z, feature_id: S feat_ULID}, M {expires_at: NULL, feature_id: S feat_ULID, limit: NULL}]}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S lic_ULID, type: S license}
    type S license.overridden
LICENSE / EVENT license.revoked
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T13:00:01Z
    data M {reason: S refund}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S lic_ULID, type: S license}
    type S license.revoked
LICENSE / EVENT license.superseded
    GSI1PK S EVENTS#2026-01-15#?
    GSI1SK S ULID
    PK S LICENSE#lic_ULID
    SK S EVENT#ULID
    actor M {id: S key_ULID, kind: S api_key}
    at S 2026-01-15T13:00:01Z
    data M {superseded_by: S lic_ULID}
    id S evt_ULID
    ip S 127.0.0.1
    license_id S lic_ULID
    request_id S TRACE
    subject M {id: S lic_ULID, type: S license}
    type S license.superseded
LICENSE / FACTS of first!
    PK S LICENSE#lic_ULID
    SK S FACTS#SHA256
    activated_at N 1768478400000
    expires_at_epoch N 1771070401
    ip S 127.0.0.1
    life B of 10
    machine_name S first!
LICENSE / FACTS of third!
    PK S LICENSE#lic_ULID
    SK S FACTS#SHA256
    activated_at N 1768482001000
    app_version S 4.2.1
    hostname S build-07
    ip S 127.0.0.1
    life B of 10
    machine_name S third!
    os S Windows 11
LICENSE / FACTS without a name
    PK S LICENSE#lic_ULID
    SK S FACTS#SHA256
    activated_at N 1768482001000
    ip S 127.0.0.1
    life B of 10
LICENSE / LICENSE active
    GSI1PK S CUSTOMER#cus_ULID
    GSI1SK S LICENSE#2026-01-15T13:00:01.000Z
    GSI2PK S LICENSES
    GSI2SK S LICENSE#2026-01-15T13:00:01.000Z
    GSI3PK S PRODUCT#prod_ULID
    GSI3SK S LICENSE#2026-01-15T13:00:01.000Z
    GSI4PK S TIER#tier_ULID
    GSI4SK S LICENSE#2026-01-15T13:00:01.000Z
    GSI5PK S STATUS#active
    GSI5SK S HONOURED#2027-01-15T13:00:01.000Z
    GSI6PK S EXPIRING
    GSI6SK S EXPIRING#2027-01-15T13:00:01.000Z
    PK S LICENSE#lic_ULID
    SK S LICENSE
    anchor_day N 15
    customer_id S cus_ULID
    expires_at N 1800018001000
    expiry_grace_seconds N 0
    generation N 1
    honoured_until N 1800018001000
    id S lic_ULID
    issued_at S 2026-01-15T13:00:01Z
    key_hint S ATLAS-…-?????
    max_tenants N 3
    max_users N 5
    product_id S prod_ULID
    status S active
    tier_id S tier_ULID
LICENSE / LICENSE revoked
    GSI1PK S CUSTOMER#cus_ULID
    GSI1SK S LICENSE#2026-01-15T13:00:01.000Z
    GSI2PK S LICENSES
    GSI2SK S LICENSE#2026-01-15T13:00:01.000Z
    GSI3PK S PRODUCT#prod_ULID
    GSI3SK S LICENSE#2026-01-15T13:00:01.000Z
    GSI4PK S TIER#tier_ULID
    GSI4SK S LICENSE#2026-01-15T13:00:01.000Z
    GSI5PK S STATUS#revoked
    GSI5SK S HONOURED#NEVER
    PK S LICENSE#lic_ULID
    SK S LICENSE
    customer_id S cus_ULID
    expiry_grace_seconds N 0
    generation N 1
    id S lic_ULID
    issued_at S 2026-01-15T13:00:01Z
    key_hint S ATLAS-…-?????
    max_tenants N 3
    product_id S prod_ULID
    revocation_reason S refund
    revoked_at S 2026-01-15T13:00:01Z
    status S revoked
    superseded_by S lic_ULID
    tier_id S tier_ULID
LICENSE / LICENSE superseded
    GSI1PK S CUSTOMER#cus_ULID
    GSI1SK S LICENSE#2026-01-15T12:00:00.000Z
    GSI2PK S LICENSES
    GSI2SK S LICENSE#2026-01-15T12:00:00.000Z
    GSI3PK S PRODUCT#prod_ULID
    GSI3SK S LICENSE#2026-01-15T12:00:00.000Z
    GSI4PK S TIER#tier_ULID
    GSI4SK S LICENSE#2026-01-15T12:00:00.000Z
    GSI5PK S STATUS#superseded
    GSI5SK S HONOURED#2027-01-15T12:00:00.000Z
    GSI6PK S EXPIRING
    GSI6SK S EXPIRING#2027-01-15T12:00:00.000Z
    PK S LICENSE#lic_ULID
    SK S LICENSE
    anchor_day N 15
    customer_id S cus_ULID
    expires_at N 1800014400000
    expiry_grace_seconds N 0
    external_id S order-1
    generation N 1
    honoured_until N 1800014400000
    id S lic_ULID
    issued_at S 2026-01-15T12:00:00Z
    key_hint S ATLAS-…-?????
    max_tenants N 3
    max_users N 1
    name S Berlin
    overrides L [M {enabled: BOOL false, expires_at: N 1798761600000, feature_id: S feat_ULID}, M {feature_id: S feat_ULID, limit: NULL}]
    product_id S prod_ULID
    status S superseded
    superseded_by S lic_ULID
    tier_id S tier_ULID
LICENSE / MACHINE ended of first
    PK S LICENSE#lic_ULID
    SK S MACHINE#SHA256
    ended_at N 1768478401000
    expires_at_epoch N 1771070401
    generation N 1
    last_heartbeat_at N 1768478400000
    last_ip S 127.0.0.1
    lease_expires_at N 1768482000
    life B of 10
    machine_id S first
    seat N 0
LICENSE / MACHINE of fourth
    GSI8PK S MACHINE#dc81b1d371a4072be7fcfc3e1939f5bd
    PK S LICENSE#lic_ULID
    SK S MACHINE#SHA256
    generation N 1
    last_heartbeat_at N 1768482001000
    last_ip S 127.0.0.1
    lease_expires_at N 1768485601
    life B of 10
    machine_id S fourth
LICENSE / MACHINE of third
    GSI8PK S MACHINE#b1e99324505bd32da0e1f85dcf5e19a0
    PK S LICENSE#lic_ULID
    SK S MACHINE#SHA256
    facts B of 8
    generation N 1
    last_heartbeat_at N 1768482001000
    last_ip S 127.0.0.1
    lease_expires_at N 1768485601
    life B of 10
    machine_id S third
    public_key M {e: B of 3, n: B of 256}
    seat N 0
LICENSE / METADATA
    PK S LICENSE#lic_ULID
    SK S METADATA
    metadata M {order: S A-1042}
LICENSE / OVERRIDE_NOTES
    PK S LICENSE#lic_ULID
    SK S OVERRIDE_NOTES
    metadata M {feat_ULID: S Unpaid}
LICENSE / SEALED
    PK S LICENSE#lic_ULID
    SK S SEALED
    license_key B of 69
    token B of many
LICENSE / SEAT
    PK S LICENSE#lic_ULID
    SK S SEAT#00000
    generation N 1
    life B of 10
    machine B of 32
LICENSE_EXTERNAL_ID / LICENSE_EXTERNAL_ID
    PK S LICENSE_EXTERNAL_ID#SHA256
    SK S LICENSE_EXTERNAL_ID#SHA256
    license_id S lic_ULID
RATE#CHURN / RATE#CHURN
    PK S RATE#CHURN#lic_ULID#shard#3600#1768482000
    SK S RATE#CHURN#lic_ULID#shard#3600#1768482000
    counted N 1
    expires_at_epoch N 1768489200
RATE#GUESS / RATE#GUESS
    PK S RATE#GUESS#127.0.0.1#60#1768482000
    SK S RATE#GUESS#127.0.0.1#60#1768482000
    counted N 1
    expires_at_epoch N 1768485660
";

#[tokio::test]
async fn every_item_has_the_expected_attributes() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let (license, _) = issue_license(&stack).await;
    // A machine that is deactivated, one that is active, and one that takes over its seat.
    let machine =
        |id: &str| json!({"license_key": license.license_key, "machine_id": id, "machine_name": format!("{id}!")});
    let first = app.post("license-activations/activate", machine("first")).await.expect_status(201);
    let path = format!("license-activations/{}/deactivate", text(&first["activation"]["id"]));
    stack.advance(1);
    app.post(&path, json!({"token": first["token"]})).await.expect_status(200);
    app.post("license-activations/activate", machine("second")).await.expect_status(201);
    stack.advance(3600);
    let facts = json!({"app_version": "4.2.1", "os": "Windows 11", "hostname": "build-07"});
    let with_key = merged(merged(machine("third"), &facts), &json!({"public_key": AppKey::generate(2048).jwk()}));
    app.post("license-activations/activate", with_key).await.expect_status(201);
    // A license without limit and expiry that is superseded and then revoked, so that it has all optional attributes.
    let second =
        stack.operator.issue(&license.customer, &license.tier, &json!({"max_users": null, "expires_at": null})).await;
    let body = json!({"license_key": second["license_key"], "machine_id": "fourth"});
    app.post("license-activations/activate", body).await.expect_status(201);
    stack.operator.issue(&license.customer, &license.tier, &json!({})).await;
    let revoke = format!("license-keys/{}/revoke", text(&second["license"]["id"]));
    stack.operator.post(&revoke, json!({"reason": "refund"})).await.expect_status(200);

    app.post("license-keys/validate", json!({"license_key": "ATLAS-0000"})).await.expect_status(200);

    let mut kinds = BTreeMap::<String, BTreeMap<String, Value>>::new();
    for item in stack.items().await {
        let fields = item.as_object().unwrap();
        let own = kinds.entry(kind(&item)).or_default();
        own.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let mut found = String::new();
    for (kind, fields) in &kinds {
        writeln!(found, "{kind}").unwrap();
        for (name, value) in fields {
            writeln!(found, "    {name} {}", predictable_value(&stack, &license, name, value)).unwrap();
        }
    }
    assert!(found.trim() == EXPECTED.trim(), "the table's format has changed:\n{found}");
}

const EXPECTED_WEBHOOKS: &str = "
WEBHOOK / DELIVERY delivered
    PK S WEBHOOK#whe_ULID
    SK S DELIVERY#ULID
    attempted_at N
    attempts N
    created_at N
    duration_ms N
    event_partition S
    event_type S license.issued
    expires_at_epoch N
    ordering_key S LICENSE#lic_ULID
    response_body S ok
    response_status N
    status S delivered
    version N
WEBHOOK / DELIVERY pending
    GSI1PK S WEBHOOK_DUE#whe_ULID
    GSI1SK S DUE#time#ULID
    PK S WEBHOOK#whe_ULID
    SK S DELIVERY#ULID
    attempted_at N
    attempts N
    created_at N
    due_at N
    duration_ms N
    event_partition S
    event_type S license.issued
    expires_at_epoch N
    ordering_key S LICENSE#lic_ULID
    response_body S 
    response_status N
    status S pending
    step N
    version N
WEBHOOK / SLOT
    PK S WEBHOOK#whe_ULID
    SK S SLOT#0
    expires_at_epoch N
    holder S
    leased_until N
    number N
    ordering_key S LICENSE#lic_ULID
WEBHOOKS / ENDPOINT
    PK S WEBHOOKS
    SK S ENDPOINT#whe_ULID
    created_at S 2026-01-15T12:00:00Z
    delivers_from N
    description S Billing
    event_types L [S license.*]
    id S whe_ULID
    is_enabled BOOL true
    previous_secret B of 78
    previous_secret_expires_at S 2026-01-16T12:00:00Z
    secret B of 78
    updated_at S 2026-01-15T12:00:00Z
    url S
    version N
WEBHOOKS / IDS
    PK S WEBHOOKS
    SK S IDS
    ids SS whe_ULID, whe_ULID
WEBHOOK_FEED / POSITION
    PK S WEBHOOK_FEED
    SK S POSITION
    fed_until N
WEBHOOK_HEALTH / HEALTH
    PK S WEBHOOK_HEALTH
    SK S HEALTH#whe_ULID
    delivers_from N
    disabled_at N
    disabled_reason S gone
    endpoint_id S whe_ULID
    failing_since N
    last_failed_at N
    revision N
";

#[tokio::test]
async fn every_item_of_webhooks_has_the_expected_attributes() {
    let stack = Stack::start().await;
    let receiver = WebhookReceiver::start().await;
    let body = json!({"url": receiver.url, "event_types": ["license.*"], "description": "Billing"});
    let endpoint = stack.operator.post("webhook-endpoints", body).await.expect_status(201);
    let path = format!("webhook-endpoints/{}/rotate-secret", text(&endpoint["id"]));
    stack.operator.post(&path, json!({})).await.expect_status(200);
    let gone = WebhookReceiver::start().await;
    gone.set_behavior(Behavior::Status(410));
    stack.operator.create_webhook_endpoint(&gone.url).await;
    for behavior in [Behavior::Body(200, b"ok".to_vec()), Behavior::Status(500)] {
        stack.advance(1);
        receiver.set_behavior(behavior);
        stack.operator.issue_new_license(1).await;
        stack.local.webhooks.run_once().await.unwrap();
    }
    // The process is killed while it sends a webhook, and its slot remains.
    receiver.set_behavior(Behavior::Hold(Gate::default(), 204));
    stack.advance(1);
    stack.operator.issue_new_license(1).await;
    let worker = stack.local.webhooks.clone();
    let sending = tokio::spawn(async move { worker.run_once().await });
    receiver.wait_for(3).await;
    sending.abort();

    let mut kinds = BTreeMap::<String, BTreeMap<String, Value>>::new();
    for item in stack.items().await.into_iter().filter(|item| text(&item["PK"]["S"]).starts_with("WEBHOOK")) {
        let status = item["status"]["S"].as_str().map(|status| format!(" {status}")).unwrap_or_default();
        let fields = item.as_object().unwrap();
        let own = kinds.entry(kind(&item) + &status).or_default();
        own.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let mut found = String::new();
    for (kind, fields) in &kinds {
        writeln!(found, "{kind}").unwrap();
        for (name, value) in fields {
            // There are several items of a kind, with other times and numbers.
            let value = match format_value(value) {
                value if value.starts_with("N ") => "N".to_owned(),
                value if value.starts_with("S DUE#2026-01-15T12:00:") => "S DUE#time#ULID".to_owned(),
                value if matches!(&**name, "url" | "request_id" | "data" | "event_partition" | "holder" | "actor") => {
                    value[..1].to_owned()
                }
                value => value,
            };
            writeln!(found, "    {name} {value}").unwrap();
        }
    }
    assert!(found.trim() == EXPECTED_WEBHOOKS.trim(), "the table's format has changed:\n{found}");
}

#[tokio::test]
async fn every_item_of_the_search_has_the_expected_attributes() {
    let stack = Stack::start().await;
    let body = json!({"name": "Ada", "email": "ada@example.com"});
    let customer = stack.operator.post("customers", body).await.expect_status(201);
    let id = text(&customer["id"]).to_owned();
    let tail = id[id.len() - 6..].to_lowercase();
    let found = async || {
        let items = stack.items().await.into_iter().filter(|item| text(&item["PK"]["S"]).starts_with("SEARCH#"));
        let partition = format!("S SEARCH#CUSTOMER#{}", &tail[..2]);
        let format = |item: Value| {
            let fields: BTreeMap<_, _> = item.as_object().unwrap().iter().collect();
            let is_tail = text(&item["SK"]["S"]).starts_with(&tail);
            let value = |value: &Value| {
                let value = format_value(value).replace(&tail, "TAIL");
                if is_tail && value == partition { "S SEARCH#CUSTOMER#TA".to_owned() } else { value }
            };
            fields.into_iter().map(|(name, own)| format!("{name} {}", value(own))).collect::<Vec<_>>().join(" | ")
        };
        let mut lines: Vec<String> = items.map(format).collect();
        lines.sort();
        lines
    };
    stack.local.webhooks.run_once().await.unwrap();
    assert!(stack.local.app.table.continue_search_backfill(stack.clock.now(), 100).await.unwrap());
    let expected = [
        "PK S SEARCH#BACKFILL | SK S BACKFILL | progress M {step: S done} | version N 2",
        "PK S SEARCH#CUSTOMER#TA | SK S TAIL#cus_ULID | words S  ada example com TAIL",
        "PK S SEARCH#CUSTOMER#ad | SK S ada#cus_ULID | words S  ada example com TAIL",
        "PK S SEARCH#CUSTOMER#ex | SK S example#cus_ULID | words S  ada example com TAIL",
        "PK S SEARCH#WORDS#cus_ULID | SK S WORDS | keys L [S ada, S example, S TAIL] | version N 1 | words S  ada example com TAIL",
    ];
    assert_eq!(found().await, expected);
    stack.operator.delete(&format!("customers/{id}")).await.expect_status(204);
    let empty =
        "PK S SEARCH#WORDS#cus_ULID | SK S WORDS | expires_at_epoch N 1768564800 | keys L [] | version N 2 | words S ";
    assert_eq!(found().await, [expected[0], empty]);
}

/// Formats an attribute's value, with placeholders for what differs between runs.
fn predictable_value(stack: &Stack, license: &IssuedLicense, name: &str, value: &Value) -> String {
    let formatted = format_value(value);
    match name {
        "request_id" if formatted != "NULL" => {
            assert_eq!(formatted.len(), "S ".len() + 32, "{formatted}");
            "S TRACE".to_owned()
        }
        "key_hint" => {
            assert!(formatted.starts_with("S ATLAS-…-") && formatted.chars().count() == 15, "{formatted}");
            "S ATLAS-…-?????".to_owned()
        }
        // Their length depends on the number of digits of the port.
        "token" => "B of many".to_owned(),
        "jwt" | "issuer" => "S of many".to_owned(),
        "kids" => format!("L of {}", value["L"].as_array().unwrap().len()),
        "roots" => {
            let fields = value["L"][0]["M"].as_object().unwrap().keys().map(String::as_str);
            format!(
                "L [M of {}]",
                fields.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
            )
        }
        "kid" | "root_kid" | "n" | "handle" => format!("S of {}", text(&value["S"]).len()),
        "GSI1PK" if formatted.starts_with("S EVENTS#") => format!("{}?", &formatted[..formatted.len() - 1]),
        "SK" if formatted.starts_with("S KEY#") => "S KEY#kid".to_owned(),
        "PK" if formatted.starts_with("S HISTORY#signing_key#") => "S HISTORY#signing_key#kid".to_owned(),
        "subject" if formatted.contains("S signing_key") => "M {id: S kid, type: S signing_key}".to_owned(),
        "data" if formatted.starts_with("M {serial:") => "M {serial: N serial}".to_owned(),
        // Machines of a license key without a seat limit are assigned to several shards.
        "PK" | "SK" if formatted.starts_with("S RATE#CHURN#") => {
            let mut parts: Vec<&str> = formatted.split('#').collect();
            parts[3] = "shard";
            parts.join("#")
        }
        _ => {
            assert!(!formatted.contains(&stack.local.base_url) && !formatted.contains(&license.license_key));
            formatted
        }
    }
}

#[tokio::test]
async fn the_table_contains_no_readable_secret() {
    let stack = Stack::start().await;
    let app = &stack.anonymous;
    let (license, _) = issue_license(&stack).await;
    let customer = stack.operator.create_customer().await;
    let body = json!({"customer_id": customer["id"], "tier_id": license.tier["id"]});
    // The stored response of an idempotent request contains the same secrets.
    let idempotent = stack.operator.with_header("idempotency-key", "once");
    let second: TestResponse = idempotent.post("license-keys", body.clone()).await;
    assert_eq!(idempotent.post("license-keys", body).await.text, second.text);
    let second = second.expect_status(201);
    let activated = app.activate(&license.license_key, "one").await.expect_status(201);
    stack.advance(900);
    let heartbeat = app.heartbeat(text(&activated["token"]), "one").await.expect_status(200);
    let path = format!("license-keys/{}/regenerate", text(&second["license"]["id"]));
    let third = stack.operator.post(&path, json!({})).await.expect_status(200);
    let path = format!("license-activations/{}/deactivate", text(&activated["activation"]["id"]));
    app.post(&path, json!({"token": heartbeat["token"]})).await.expect_status(200);
    // A private key that an app sends by mistake, and an encrypted token.
    let (key, leaked) = (AppKey::generate(2048), AppKey::generate(2048));
    let with = |key: Value| json!({"license_key": third["license_key"], "machine_id": "two", "public_key": key});
    for key in [leaked.private_jwk(), json!(leaked.private_pems()[0])] {
        app.post("license-activations/activate", with(key)).await.expect_problem(422, "public_key_invalid");
    }
    let encrypted = app.post("license-activations/activate", with(key.jwk())).await.expect_status(201);
    let decrypted = json!({"token": key.decrypt(&encrypted).unwrap().0});

    let mut secrets = vec![stack.local.operator_api_key.expose().to_owned()];
    secrets.extend([&license.issued, &second, &third].map(|issued| text(&issued["license_key"]).to_owned()));
    let tokens = [&license.issued, &second, &third, &activated, &heartbeat, &decrypted, &encrypted];
    secrets.extend(tokens.map(|body| text(&body["token"]).to_owned()));
    assert!(secrets.iter().all(|secret| secret_fragments(secret).len() > 4), "every secret's format is recognized");
    secrets.extend(["d", "p", "qi"].map(|member| text(&leaked.private_jwk()[member]).to_owned()));
    secrets.push(leaked.private_pems()[0].lines().nth(5).unwrap().to_owned());

    let items = stack.items().await;
    assert!(items.len() > 20);
    let fragments: Vec<String> = secrets.iter().flat_map(|secret| secret_fragments(secret)).collect();
    assert_eq!(SecretSearch::new(fragments).find_in_items(&items), None, "readable in the table");
    // A single group is so short that it can occur in base64 by chance, but hardly in the plain text.
    let table = stack.table_as_text().await;
    for issued in [&license.issued, &second, &third] {
        let groups = text(&issued["license_key"]).split('-').skip(1).take(5);
        assert!(groups.into_iter().all(|group| !table.contains(group)), "a group is readable in the table");
    }
    // The search finds readable values and encoded secrets.
    for readable in ["Ada Lovelace", &license.license_id] {
        assert!(SecretSearch::new(vec![readable.to_owned()]).find_in_items(&items).is_some(), "{readable}");
    }
    let search = SecretSearch::new(vec![secrets[0].clone()]);
    for encoded in [
        secrets[0].clone(),
        HEXLOWER.encode(secrets[0].as_bytes()),
        BASE64.encode(format!("x{}y", secrets[0]).as_bytes()),
        BASE64URL_NOPAD.encode(format!("{{\"k\":\"{}\"}}", secrets[0]).as_bytes()),
        format!("a:{}", BASE64.encode(format!("xy{}", secrets[0]).as_bytes())),
    ] {
        let item = json!({"a": {"M": {"b": {"S": encoded}}}});
        assert!(search.find_in_items(&[item]).is_some(), "{encoded}");
    }
}
