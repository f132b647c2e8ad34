//! The access table: every operation of the API, with the callers that it accepts and a valid request body. It is the
//! only list that a new operation must be added to: the tests that iterate over all operations and the events in
//! `events/` are derived from it, and the documentation of events names the operations that record each type.

use reqwest::Method;
use serde_json::{Value, json};
use shared::{
    domain::{EventType, Scope},
    http::API_BASE_PATH,
};

use crate::{Fixtures, merged, setup::writable};

/// Which callers an operation accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// All callers; a credential, if any, is in the body.
    Public,
    /// Any API key, and signed-in operators.
    AnyKey,
    /// API keys with this scope, and signed-in operators.
    Scope(Scope),
    /// API keys with this scope, which the query of [`Fixtures::path`] requires, and signed-in operators. Another query
    /// requires another of these scopes.
    ScopeOfQuery(Scope, [Scope; 2]),
    /// API keys with all scopes, and signed-in operators.
    AllScopes,
    /// API keys with this scope, signed-in operators, and customers for their own resources.
    ScopeOrOwner(Scope),
    /// Signed-in users.
    AnyUser,
}

/// An operation of the API.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The method and path, such as `POST license-keys/{id}/revoke`. A path without a leading slash is below
    /// `/api/v1.0/`.
    pub operation: &'static str,
    /// The callers that the operation accepts.
    pub access: Access,
    /// Returns a valid request body. `None` if the operation reads no body.
    pub body: Option<fn(&Fixtures) -> Value>,
    /// The types of the events that a valid request records, one or more of each.
    pub records: &'static [EventType],
    /// The types of the events that other requests record in addition or instead.
    pub can_record: &'static [EventType],
}

const fn row(operation: &'static str, access: Access) -> Row {
    Row { operation, access, body: None, records: &[], can_record: &[] }
}

const fn row_with_body(operation: &'static str, access: Access, body: fn(&Fixtures) -> Value) -> Row {
    Row { operation, access, body: Some(body), records: &[], can_record: &[] }
}

/// The access table.
pub const ROWS: &[Row] = &[
    // Discovery.
    row("GET /.well-known/jwks.json", Access::Public),
    row("GET /.well-known/jwks.jwt", Access::Public),
    row("GET /.well-known/license-configuration", Access::Public),
    row("GET /health", Access::Public),
    row("GET /openapi.json", Access::Public),
    row("GET /openapi-3.0.json", Access::Public),
    row("GET /llms.txt", Access::Public),
    row("GET /docs", Access::Public),
    row("GET /docs/{file}", Access::Public),
    row("GET /problems", Access::Public),
    row("GET /problems/{code}", Access::Public),
    // Catalog.
    row("GET products/catalog", Access::Public),
    row("GET products", Access::AnyKey),
    row("GET products/{id}", Access::AnyKey),
    row_with_body(
        "POST products",
        Access::Scope(Scope::CatalogWrite),
        |f| json!({"code": (f.unique)("atlas"), "name": "Atlas", "description": "A map", "sort_order": 1}),
    )
    .records(&[EventType::ProductCreated]),
    row_with_body("PUT products/{id}", Access::Scope(Scope::CatalogWrite), |f| writable(&f.product))
        .records(&[EventType::ProductUpdated]),
    row_with_body("PATCH products/{id}", Access::Scope(Scope::CatalogWrite), display_text)
        .records(&[EventType::ProductUpdated]),
    row("GET product-features", Access::AnyKey),
    row("GET product-features/{id}", Access::AnyKey),
    row_with_body("POST product-features", Access::Scope(Scope::CatalogWrite), |f| {
        let key = (f.unique)("export");
        json!({"product_id": f.product["id"], "key": key, "name": "Export", "description": "To a file"})
    })
    .records(&[EventType::ProductFeatureCreated]),
    row_with_body("PUT product-features/{id}", Access::Scope(Scope::CatalogWrite), |f| writable(&f.feature))
        .records(&[EventType::ProductFeatureUpdated]),
    row_with_body("PATCH product-features/{id}", Access::Scope(Scope::CatalogWrite), display_text)
        .records(&[EventType::ProductFeatureUpdated]),
    row("GET pricing-tiers", Access::AnyKey),
    row("GET pricing-tiers/{id}", Access::AnyKey),
    row_with_body("POST pricing-tiers", Access::Scope(Scope::CatalogWrite), |f| {
        merged(writable(&f.tier), &json!({"code": (f.unique)("pro"), "description": "For a team"}))
    })
    .records(&[EventType::PricingTierCreated]),
    row_with_body("PUT pricing-tiers/{id}", Access::Scope(Scope::CatalogWrite), |f| writable(&f.tier))
        .records(&[EventType::PricingTierUpdated]),
    row_with_body("PATCH pricing-tiers/{id}", Access::Scope(Scope::CatalogWrite), display_text)
        .records(&[EventType::PricingTierUpdated]),
    // Customers.
    row("GET customers", Access::Scope(Scope::CustomersRead)),
    row("GET customers/{id}", Access::Scope(Scope::CustomersRead)),
    row_with_body(
        "POST customers",
        Access::Scope(Scope::CustomersWrite),
        |f| json!({"name": "Ada", "email": format!("{}@example.com", (f.unique)("ada")), "company": "Engines"}),
    )
    .records(&[EventType::CustomerCreated]),
    row_with_body("PUT customers/{id}", Access::Scope(Scope::CustomersWrite), |f| writable(&f.customer))
        .records(&[EventType::CustomerUpdated]),
    row_with_body(
        "PATCH customers/{id}",
        Access::Scope(Scope::CustomersWrite),
        |f| json!({"company": "Engines", "external_id": (f.unique)("crm"), "metadata": {"segment": "research"}}),
    )
    .records(&[EventType::CustomerUpdated]),
    row("DELETE customers/{id}", Access::Scope(Scope::CustomersWrite))
        .records(&[EventType::CustomerErased])
        .can_record(&[EventType::LicenseRevoked, EventType::LicenseUpdated, EventType::ActivationDeactivated]),
    // License keys.
    row("GET license-keys", Access::Scope(Scope::LicensesRead)),
    row("GET license-keys/{id}", Access::Scope(Scope::LicensesRead)),
    row_with_body(
        "PATCH license-keys/{id}",
        Access::Scope(Scope::LicensesWrite),
        |f| json!({"name": "Berlin office", "external_id": (f.unique)("order"), "metadata": {"order": "A-1042"}}),
    )
    .records(&[EventType::LicenseUpdated])
    .can_record(&[EventType::LicenseSuperseded]),
    row("GET license-keys/{id}/events", Access::Scope(Scope::LicensesRead)),
    row("GET events", Access::Scope(Scope::LicensesRead)),
    row_with_body("POST license-keys", Access::Scope(Scope::LicensesWrite), |f| {
        json!({
            "customer_id": f.customer["id"], "tier_id": f.tier["id"], "max_users": 2,
            "expires_at": "2099-01-01T00:00:00Z",
        })
    })
    .records(&[EventType::LicenseIssued, EventType::LicenseSuperseded]),
    row_with_body(
        "POST license-keys/batch",
        Access::Scope(Scope::LicensesWrite),
        |f| json!({"tier_id": f.tier["id"], "count": 2, "tag": "reseller-7", "max_users": 2, "expires_at": null}),
    )
    .records(&[EventType::LicenseIssued]),
    row_with_body(
        "POST license-keys/batch/revoke",
        Access::Scope(Scope::LicensesWrite),
        |_| json!({"tag": "reseller-7", "reason": "chargeback"}),
    )
    .records(&[EventType::LicenseRevoked]),
    row_with_body("POST license-keys/{id}/revoke", Access::Scope(Scope::LicensesWrite), reason)
        .records(&[EventType::LicenseRevoked]),
    row_with_body("POST license-keys/{id}/suspend", Access::Scope(Scope::LicensesWrite), reason)
        .records(&[EventType::LicenseSuspended]),
    row_with_body("POST license-keys/{id}/reinstate", Access::Scope(Scope::LicensesWrite), reason)
        .records(&[EventType::LicenseReinstated]),
    row_with_body(
        "POST license-keys/{id}/renew",
        Access::Scope(Scope::LicensesWrite),
        |_| json!({"expires_at": "2099-01-01T00:00:00Z"}),
    )
    .records(&[EventType::LicenseRenewed]),
    row_with_body(
        "POST license-keys/{id}/change",
        Access::Scope(Scope::LicensesWrite),
        |f| json!({"tier_id": f.tier["id"], "max_users": 7}),
    )
    .records(&[EventType::LicenseChanged]),
    row_with_body("PUT license-keys/{id}/overrides", Access::Scope(Scope::LicensesWrite), |f| {
        json!({"overrides": [{
            "feature_id": f.feature["id"], "enabled": true, "expires_at": "2099-01-01T00:00:00Z",
            "note": "Until the new contract is signed",
        }]})
    })
    .records(&[EventType::LicenseOverridden]),
    row("POST license-keys/{id}/regenerate", Access::Scope(Scope::LicensesWrite))
        .records(&[EventType::LicenseRegenerated]),
    row_with_body("POST license-keys/{id}/audit", Access::Scope(Scope::LicensesWrite), |_| json!({"repair": true}))
        .records(&[EventType::LicenseAudited])
        .can_record(&[EventType::ActivationDeactivated]),
    // Consuming apps.
    row_with_body(
        "POST license-keys/validate",
        Access::Public,
        |f| json!({"license_key": f.license_key, "machine_id": f.machine, "product": f.product["code"]}),
    ),
    row_with_body(
        "POST license-keys/heartbeat",
        Access::Public,
        |f| json!({"token": f.token, "machine_id": f.machine}),
    ),
    row_with_body(
        "POST license-activations/activate",
        Access::Public,
        |f| json!({"license_key": f.license_key, "machine_id": f.new_machine, "machine_name": "build-07"}),
    )
    .records(&[EventType::ActivationCreated])
    .can_record(&[EventType::ActivationTakenOver, EventType::ActivationBorrowed]),
    // Activations.
    row_with_body(
        "POST license-keys/{id}/offline-activations",
        Access::ScopeOrOwner(Scope::LicensesWrite),
        |f| json!({"machine_id": "press", "machine_name": "press-3", "valid_until": f.soon}),
    )
    .records(&[EventType::ActivationCreated, EventType::ActivationBorrowed])
    .can_record(&[EventType::ActivationTakenOver]),
    row("GET license-activations", Access::ScopeOrOwner(Scope::LicensesRead)),
    row("GET license-activations/{id}", Access::ScopeOrOwner(Scope::LicensesRead)),
    row_with_body(
        "POST license-activations/{id}/deactivate",
        Access::ScopeOrOwner(Scope::LicensesWrite),
        |f| json!({"token": f.token}),
    )
    .records(&[EventType::ActivationDeactivated]),
    // Users.
    row_with_body("POST register", Access::AnyUser, |_| json!({"name": "Ada", "company": "Engines"}))
        .records(&[EventType::CustomerCreated])
        .can_record(&[EventType::CustomerUpdated]),
    row_with_body("POST user/claim-license", Access::AnyUser, |f| json!({"tier_id": f.tier["id"]}))
        .records(&[EventType::LicenseIssued])
        .can_record(&[EventType::LicenseSuperseded]),
    row_with_body("POST user/claim-key", Access::AnyUser, |f| json!({"license_key": f.license_key}))
        .records(&[EventType::LicenseClaimed])
        .can_record(&[EventType::LicenseSuperseded]),
    row("GET user/licenses", Access::AnyUser),
    // Imports and exports.
    row_with_body("POST imports", Access::AllScopes, |f| {
        let (id, email) = ((f.unique)("crm"), format!("{}@example.com", (f.unique)("mary")));
        json!({"type": "customer", "external_id": id, "name": "Mary Shelley", "email": email})
    })
    .records(&[EventType::CustomerCreated])
    .can_record(&[EventType::LicenseIssued, EventType::ActivationCreated]),
    row("GET exports", Access::ScopeOfQuery(Scope::CustomersRead, [Scope::CustomersRead, Scope::LicensesRead])),
    // Webhooks.
    row("GET webhook-endpoints", Access::Scope(Scope::WebhooksRead)),
    row_with_body("POST webhook-endpoints", Access::Scope(Scope::WebhooksWrite), |_| {
        let event_types = ["license.*", "activation.created"];
        json!({"url": "https://example.com/webhooks", "event_types": event_types, "description": "Billing"})
    })
    .records(&[EventType::WebhookEndpointCreated]),
    row("GET webhook-endpoints/{id}", Access::Scope(Scope::WebhooksRead)),
    row_with_body(
        "PATCH webhook-endpoints/{id}",
        Access::Scope(Scope::WebhooksWrite),
        |_| json!({"event_types": ["*"], "description": "Accounting"}),
    )
    .records(&[EventType::WebhookEndpointUpdated]),
    row("DELETE webhook-endpoints/{id}", Access::Scope(Scope::WebhooksWrite))
        .records(&[EventType::WebhookEndpointDeleted]),
    row("POST webhook-endpoints/{id}/rotate-secret", Access::Scope(Scope::WebhooksWrite))
        .records(&[EventType::WebhookEndpointUpdated]),
    row("POST webhook-endpoints/{id}/test", Access::Scope(Scope::WebhooksWrite))
        .records(&[EventType::WebhookEndpointTest]),
    row("GET webhook-endpoints/{id}/deliveries", Access::Scope(Scope::WebhooksRead)),
    row_with_body(
        "POST webhook-endpoints/{id}/replay",
        Access::Scope(Scope::WebhooksWrite),
        |_| json!({"since": "2026-01-01T00:00:00Z", "only_undelivered": true}),
    ),
    row("POST webhook-deliveries/{id}/retry", Access::Scope(Scope::WebhooksWrite)),
    // API keys and signing keys.
    row("GET api-keys", Access::Scope(Scope::AccessWrite)),
    row_with_body(
        "POST api-keys",
        Access::Scope(Scope::AccessWrite),
        |_| json!({"name": "ci", "scopes": ["licenses:read"], "expires_at": "2099-01-01T00:00:00Z"}),
    )
    .records(&[EventType::ApiKeyCreated]),
    row("GET api-keys/{id}", Access::Scope(Scope::AccessWrite)),
    row("DELETE api-keys/{id}", Access::Scope(Scope::AccessWrite)).records(&[EventType::ApiKeyDeleted]),
    row("GET signing-keys", Access::Scope(Scope::KeysWrite)),
    row_with_body("POST signing-keys/rotate", Access::Scope(Scope::KeysWrite), |_| json!({}))
        .records(&[EventType::SigningKeyPromoted])
        .can_record(&[EventType::SigningKeyCreated, EventType::SigningKeyPublished, EventType::SigningKeyRetired]),
    row_with_body("POST signing-keys/{kid}/condemn", Access::Scope(Scope::KeysWrite), reason)
        .records(&[EventType::SigningKeyCondemned])
        .can_record(&[
            EventType::SigningKeyPromoted,
            EventType::SigningKeyCreated,
            EventType::SigningKeyPublished,
            EventType::SigningKeyRetired,
        ]),
];

fn display_text(_: &Fixtures) -> Value {
    json!({"name": "New name", "description": "What it is"})
}

fn reason(_: &Fixtures) -> Value {
    json!({"reason": "requested by the customer"})
}

impl Row {
    const fn records(self, records: &'static [EventType]) -> Self {
        Self { records, ..self }
    }

    const fn can_record(self, can_record: &'static [EventType]) -> Self {
        Self { can_record, ..self }
    }

    /// Returns the row of an operation.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    #[track_caller]
    pub(crate) fn find(method: &Method, template: &str) -> &'static Self {
        let found = ROWS.iter().find(|row| row.method() == *method && row.template() == template);
        found.unwrap_or_else(|| panic!("{method} {template} has no row in tests/src/access.rs, or openapi.json is out of date: run `just generate`"))
    }

    /// Returns the HTTP method.
    pub fn method(&self) -> Method {
        let (method, _) = self.operation.split_once(' ').expect("a method and a path");
        method.parse().expect("a method")
    }

    /// Returns the path template, as in the OpenAPI document.
    pub fn template(&self) -> String {
        let (_, path) = self.operation.split_once(' ').expect("a method and a path");
        if path.starts_with('/') { path.to_owned() } else { format!("{API_BASE_PATH}/{path}") }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::operations::documented_operations;

    /// Returns the security requirements that the OpenAPI document must list.
    fn security(row: &Row) -> BTreeSet<String> {
        let mut requirements = match row.access {
            Access::Public => vec![],
            Access::AnyKey
            | Access::Scope(_)
            | Access::ScopeOfQuery(..)
            | Access::AllScopes
            | Access::ScopeOrOwner(_) => {
                vec![json!({ "api_key": [] }), json!({ "bearer": [] })]
            }
            Access::AnyUser => vec![json!({ "bearer": [] })],
        };
        // An app can deactivate its own machine with the token in the body.
        if row.operation.ends_with("/deactivate") {
            requirements.push(json!({}));
        }
        requirements.iter().map(Value::to_string).collect()
    }

    /// Returns the `x-required-scopes` that the OpenAPI document must list.
    fn required_scopes(row: &Row) -> Value {
        match row.access {
            Access::Scope(scope) | Access::ScopeOrOwner(scope) => json!([scope.as_str()]),
            Access::ScopeOfQuery(_, scopes) => json!(scopes.map(Scope::as_str)),
            Access::AllScopes => json!(["*"]),
            Access::Public | Access::AnyKey | Access::AnyUser => Value::Null,
        }
    }

    #[test]
    fn operations_that_change_something_record_an_event() {
        // A validation changes nothing, and a heartbeat only a lease. Deliveries of events are not resources with events.
        let without = [
            "POST license-keys/validate",
            "POST license-keys/heartbeat",
            "POST webhook-endpoints/{id}/replay",
            "POST webhook-deliveries/{id}/retry",
        ];
        for row in ROWS {
            let expects_event = row.method() != Method::GET && !without.contains(&row.operation);
            assert_eq!(!row.records.is_empty(), expects_event, "{}: name the events that it records", row.operation);
        }
    }

    #[test]
    fn every_operation_has_one_row_with_its_security_and_body() {
        let mut failures = Vec::new();
        let mut rows: Vec<&Row> = ROWS.iter().collect();
        for (method, template, spec) in documented_operations() {
            let Some(index) = rows.iter().position(|row| row.method() == method && row.template() == template) else {
                failures.push(format!("{method} {template} has no row: add it to tests/src/access.rs"));
                continue;
            };
            let row = rows.swap_remove(index);
            if template.contains('{')
                && !["{id}", "{kid}", "{code}", "{file}"].iter().any(|name| template.contains(name))
            {
                failures.push(format!("{}: call the id of the path {{id}}", row.operation));
            }
            let mut documented: BTreeSet<String> =
                spec["security"].as_array().into_iter().flatten().map(Value::to_string).collect();
            if row.access == Access::Public {
                documented.remove("{}");
            }
            let scopes = &spec["x-required-scopes"];
            if documented != security(row) || *scopes != required_scopes(row) {
                failures.push(format!(
                    "{}: the annotation has the security {documented:?} and the scopes {scopes}",
                    row.operation
                ));
            }
            if spec["requestBody"].is_object() != row.body.is_some() {
                failures.push(format!("{}: only one of the annotation and the row has a body", row.operation));
            }
        }
        failures
            .extend(rows.iter().map(|row| format!("{}: the operation does not exist, or has two rows", row.operation)));
        assert!(failures.is_empty(), "run `just generate`, then check tests/src/access.rs:\n{}", failures.join("\n"));
    }
}
