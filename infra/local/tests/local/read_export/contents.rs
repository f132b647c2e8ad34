//! The lines of an export are what the API responds.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use shared::{domain::secret::sha256, store::statistics::UpdateLimits};
use signet_tests::{AppKey, SecretSearch, Stack, listed, merged, random_word, secret_fragments, text};

use super::{read_export, writer::Export};

/// A stack with customers and with license keys in every state, and the secrets that it has issued.
struct Installation {
    stack: Stack,
    /// The current key string of each license key.
    key_strings: BTreeMap<String, String>,
    secrets: Vec<String>,
}

impl Installation {
    /// Records what `issued` contains: the response that issued or regenerated a license key. Returns the path of the
    /// license key.
    fn record(&mut self, issued: &Value) -> String {
        let id = text(&issued["license"]["id"]);
        self.key_strings.insert(id.to_owned(), text(&issued["license_key"]).to_owned());
        self.secrets.extend(["license_key", "token"].map(|secret| text(&issued[secret]).to_owned()));
        format!("license-keys/{id}")
    }

    async fn customer(&self, name: &str, company: Value) -> Value {
        let body = json!({"name": name, "email": format!("{}@Example.com", random_word("Ada")), "company": company});
        self.stack.operator.post("customers", body).await.expect_status(201)
    }

    async fn issue(&mut self, customer: &Value, tier: &Value, fields: &Value) -> (String, Value) {
        let issued = self.stack.operator.issue(customer, tier, fields).await;
        (self.record(&issued), issued)
    }

    async fn transition(&self, license: &str, name: &str, body: Value) -> Value {
        self.stack.operator.post(&format!("{license}/{name}"), body).await.expect_status(200)
    }

    async fn create() -> Self {
        let stack = Stack::start().await;
        let mut all = Self { stack, key_strings: BTreeMap::new(), secrets: Vec::new() };
        let operator = all.stack.operator.clone();
        let atlas = operator.create_product_with(&json!({"name": "Atlas «Карта»", "one_key_per_customer": true})).await;
        let globe = operator.create_product_with(&json!({"one_key_per_customer": false, "description": "Globe"})).await;
        let feature = operator.create_feature(&globe, "export.pdf").await;
        let pro = operator.create_tier(&atlas, &json!({"max_tenants": 3, "is_claimable": true})).await;
        let team = json!({"feature_ids": [feature["id"]], "billing_period": "monthly", "max_users": 2});
        let team = operator.create_tier(&globe, &team).await;
        let site = json!({"billing_period": "perpetual", "max_users": null, "includes_tier_id": team["id"]});
        let site = operator.create_tier(&globe, &site).await;

        let zoe = all.customer("Ζωή \"О'Брайен\" 张伟 🦀 \\ <&> é", Value::Null).await;
        let ada = all.customer("Ada Lovelace", json!("Analytical Engines")).await;
        all.customer("No license keys, Inc.", json!("Ünïcode GmbH & Co. KG")).await;

        // Superseded; superseded and then revoked; active.
        for revoke in [false, true] {
            let (license, _) = all.issue(&zoe, &pro, &json!({})).await;
            all.issue(&zoe, &pro, &json!({"expires_at": "2031-02-28T23:59:59.999Z"})).await;
            if revoke {
                all.transition(&license, "revoke", json!({"reason": "Rückgabe \"§ 355\" 🙁"})).await;
            }
        }
        // Suspended; reinstated; revoked without a reason; renewed; changed; expired; never expires, without limits.
        let (suspended, _) = all.issue(&ada, &team, &json!({})).await;
        all.transition(&suspended, "suspend", json!({})).await;
        let (reinstated, _) = all.issue(&ada, &team, &json!({})).await;
        all.transition(&reinstated, "suspend", json!({})).await;
        all.transition(&reinstated, "reinstate", json!({})).await;
        let (revoked, _) = all.issue(&ada, &team, &json!({})).await;
        all.transition(&revoked, "revoke", json!({})).await;
        let (renewed, _) = all.issue(&ada, &team, &json!({})).await;
        all.transition(&renewed, "renew", json!({})).await;
        let (changed, _) = all.issue(&ada, &team, &json!({})).await;
        all.transition(&changed, "change", json!({"tier_id": site["id"], "max_users": 7})).await;
        all.issue(&ada, &team, &json!({"expires_at": "2026-01-15T12:00:01Z"})).await;
        let (_, unlimited) = all.issue(&ada, &site, &json!({})).await;
        // Regenerated twice.
        let (regenerated, _) = all.issue(&ada, &team, &json!({})).await;
        for _ in 0..2 {
            let issued = all.transition(&regenerated, "regenerate", json!({})).await;
            all.record(&issued);
        }
        // A customer who registered and claimed, and an idempotency record.
        let user = all.stack.sign_in("grace@example.com", "openid email profile").await;
        user.post("register", json!({"name": "Grace Hopper"})).await.expect_status(201);
        let user = user.with_header("idempotency-key", "once");
        let claimed = user.post("user/claim-license", json!({"tier_id": pro["id"]})).await.expect_status(201);
        all.record(&claimed);
        let public_key = AppKey::generate(2048).jwk();
        for issued in [&unlimited, &claimed] {
            all.use_machines(text(&issued["license_key"]), &public_key).await;
        }
        let limits = UpdateLimits { max_counted: 2_000, recounted: 20 };
        all.stack.local.app.table.update_statistics(all.stack.clock.now(), limits).await.unwrap();
        all
    }

    /// Activates machines, one of them with a public key, and deactivates one.
    async fn use_machines(&mut self, license_key: &str, public_key: &Value) {
        let app = &self.stack.anonymous;
        let first = app.activate(license_key, "Ĺaptop 💻").await.expect_status(201);
        let body = json!({"license_key": license_key, "machine_id": "two", "public_key": public_key});
        let second = app.post("license-activations/activate", body).await.expect_status(201);
        let path = format!("license-activations/{}/deactivate", text(&first["activation"]["id"]));
        app.post(&path, json!({"token": first["token"]})).await.expect_status(200);
        self.secrets.extend([&first, &second].map(|activated| text(&activated["token"]).to_owned()));
        app.post("license-keys/validate", json!({"license_key": "ATLAS-0000"})).await.expect_status(200);
    }

    /// Returns the ids of all resources of a list.
    async fn ids(&self, list: &str) -> Vec<String> {
        let page = self.stack.operator.get(&format!("{list}?limit=100")).await.expect_status(200);
        assert!(page["next_cursor"].is_null());
        page["items"].as_array().unwrap().iter().map(|item| text(&item["id"]).to_owned()).collect()
    }

    /// Returns the expected line of every customer, by id.
    async fn expected_customers(&self) -> BTreeMap<String, Value> {
        let mut lines = BTreeMap::new();
        for id in self.ids("customers").await {
            let customer = self.stack.operator.get(&format!("customers/{id}")).await.expect_status(200);
            lines.insert(id, merged(listed(&customer), &json!({"type": "customer"})));
        }
        lines
    }

    /// Returns the expected line of every license key, by id.
    async fn expected_licenses(&self) -> BTreeMap<String, Value> {
        let mut lines = BTreeMap::new();
        for id in self.ids("license-keys").await {
            let get = |path: String| async move { self.stack.operator.get(&path).await.expect_status(200) };
            let mut line = get(format!("license-keys/{id}")).await;
            // What depends on the time is not exported.
            let omitted = ["seats_used", "overrides", "in_grace", "grace_ends_at"];
            line.as_object_mut().unwrap().retain(|name, _| !omitted.contains(&&**name));
            let product = get(format!("products/{}", text(&line["product_id"]))).await;
            let tier = get(format!("pricing-tiers/{}", text(&line["tier_id"]))).await;
            // In lines, the status is the stored one. No expiry in this test is in a shorter month than its anchor day.
            let status = if line["status"] == "expired" { json!("active") } else { line["status"].clone() };
            let anchor_day = line["expires_at"].as_str().map(|time| time[8..10].parse::<u8>().unwrap());
            let more = json!({
                "type": "license", "product_code": product["code"], "tier_code": tier["code"], "status": status,
                "license_key_sha256": key_string_hash(&self.key_strings[&id]), "anchor_day": anchor_day,
            });
            lines.insert(id, merged(listed(&line), &more));
        }
        lines
    }
}

/// Returns the hash of a key string as docs/reference/cli.md defines it.
fn key_string_hash(key_string: &str) -> String {
    let typed = key_string.to_uppercase().replace(['-', ' '], "").replace(['I', 'L'], "1").replace('O', "0");
    HEXLOWER.encode(&sha256(typed.as_bytes()))
}

fn lines(stdout: &[u8]) -> Vec<Value> {
    std::str::from_utf8(stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn by_id(lines: &[Value]) -> BTreeMap<String, Value> {
    lines.iter().map(|line| (text(&line["id"]).to_owned(), line.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_what_the_api_responds() {
    let mut installation = Box::pin(Installation::create()).await;
    installation.stack.advance(60);
    let items = installation.stack.items().await;
    let (customers, licenses) = (installation.expected_customers().await, installation.expected_licenses().await);
    let statuses: BTreeMap<_, usize> = licenses.values().fold(BTreeMap::new(), |mut counts, license| {
        *counts.entry(text(&license["status"])).or_default() += 1;
        counts
    });
    assert_eq!(statuses, BTreeMap::from([("active", 8), ("revoked", 2), ("superseded", 2), ("suspended", 1)]));

    // License keys come before their customer, product and tier in some files, and after them in others.
    let export = Export::write(&items, 7);
    let output = read_export(export.path(), &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let printed = lines(&output.stdout);
    let (first, second) = printed.split_at(customers.len());
    assert_eq!(by_id(first), customers, "customers come first");
    assert_eq!(by_id(second), licenses);
    assert_eq!(printed.len(), customers.len() + licenses.len(), "each is printed once");
    let others = items.len() - printed.len();
    let counts = format!("{} customers, {} license keys, {others} other items\n", customers.len(), licenses.len());
    assert_eq!(
        stderr,
        format!("arn:aws:dynamodb:us-east-1:123456789012:table/signet as of 2026-01-15T11:59:00.000Z: {counts}")
    );

    for (only, expected) in [("customers", &customers), ("licenses", &licenses)] {
        let output = read_export(export.path(), &["--type", only]);
        assert!(output.status.success());
        assert_eq!(by_id(&lines(&output.stdout)), *expected);
        assert!(String::from_utf8(output.stderr).unwrap().ends_with(&counts), "everything is read and counted");
    }
    installation.assert_no_secrets(&output.stdout, &items);
}

impl Installation {
    /// Asserts that the output contains none of the issued secrets, of the sealed values and of the hashes of API keys.
    fn assert_no_secrets(&mut self, output: &[u8], items: &[Value]) {
        self.secrets.push(self.stack.local.operator_api_key.expose().to_owned());
        let mut hidden: Vec<String> = self.secrets.iter().flat_map(|secret| secret_fragments(secret)).collect();
        let stored = [("secret_sha256", "S"), ("token", "B"), ("license_key", "B")];
        let values = stored.iter().flat_map(|(name, kind)| items.iter().filter_map(|item| item[*name][*kind].as_str()));
        let before = hidden.len();
        hidden.extend(values.map(str::to_owned));
        assert!(hidden.len() > before + 2 * self.key_strings.len(), "two sealed values for each license key");
        assert_eq!(SecretSearch::new(hidden).find(output), None, "a secret was printed");
    }
}

#[test]
fn empty_table_has_no_lines() {
    for export in [Export::empty(), Export::write(&[], 1)] {
        let output = read_export(export.path(), &[]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{stderr}");
        assert!(stderr.ends_with(": 0 customers, 0 license keys, 0 other items\n"), "{stderr}");
    }
}
