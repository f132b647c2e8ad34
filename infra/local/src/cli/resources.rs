//! The resources that have a command, and what the OpenAPI document does not say about them.

/// A resource of the API and the name of its command.
#[derive(Debug)]
pub(super) struct Resource {
    /// The name of the command.
    pub(super) name: &'static str,
    /// The path below which its operations are.
    pub(super) path: &'static str,
    /// The description of the command.
    pub(super) about: &'static str,
}

/// All resources, in the order of the help.
pub(super) const ALL: &[Resource] = &[
    Resource { name: "products", path: "/api/v1.0/products", about: "Manage products" },
    Resource { name: "tiers", path: "/api/v1.0/pricing-tiers", about: "Manage pricing tiers" },
    Resource { name: "features", path: "/api/v1.0/product-features", about: "Manage product features" },
    Resource { name: "customers", path: "/api/v1.0/customers", about: "Manage customers" },
    Resource { name: "keys", path: "/api/v1.0/license-keys", about: "Issue and manage license keys" },
    Resource { name: "activations", path: "/api/v1.0/license-activations", about: "List machines and free seats" },
    Resource { name: "events", path: "/api/v1.0/events", about: "List events" },
    Resource { name: "webhooks", path: "/api/v1.0/webhook-endpoints", about: "Manage webhook endpoints" },
    Resource { name: "webhook-deliveries", path: "/api/v1.0/webhook-deliveries", about: "Retry webhook deliveries" },
    Resource { name: "api-keys", path: "/api/v1.0/api-keys", about: "Manage API keys" },
    Resource { name: "signing-keys", path: "/api/v1.0/signing-keys", about: "List, rotate and condemn signing keys" },
];

/// Where lines are imported. Its command takes files.
pub(super) const IMPORTS: &Resource = &Resource { name: "import", path: "/api/v1.0/imports", about: "Import lines" };
/// Where lines are exported. Its command writes files.
pub(super) const EXPORTS: &Resource = &Resource { name: "export", path: "/api/v1.0/exports", about: "Export lines" };

impl Resource {
    /// Returns the resource with this command.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|resource| resource.name == name)
    }
}

/// POST operations that have no further effect if they are repeated, although they accept no `Idempotency-Key`. The external ids of
/// lines, and the machine, make them idempotent.
pub(super) const IDEMPOTENT_POSTS: &[&str] = &["import_lines", "create_offline_activation"];

/// Fields without an option: operation id and field. A command of an operator authenticates with an API key, and secrets
/// must not be arguments.
pub(super) const OMITTED_FIELDS: &[(&str, &str)] = &[("deactivate_activation", "token")];

/// The columns of tables by the schema of an item. `a.b` is the field `b` of the object `a`.
const COLUMNS: &[(&str, &[&str])] = &[
    ("Product", &["id", "code", "name", "is_active"]),
    ("PricingTier", &["id", "product_id", "code", "name", "max_users", "billing_period", "is_active"]),
    ("ProductFeature", &["id", "product_id", "key", "name"]),
    ("Customer", &["id", "name", "email", "company"]),
    ("License", &["id", "status", "key_hint", "customer_id", "tier_id", "max_users", "expires_at"]),
    ("Activation", &["id", "status", "machine_name", "machine_id", "last_heartbeat_at"]),
    ("Event", &["at", "type", "license_id", "actor.kind", "ip"]),
    ("WebhookEndpoint", &["id", "url", "event_types", "is_active", "disabled_reason", "failing_since"]),
    ("WebhookDelivery", &["id", "event_type", "status", "attempts", "response_status", "next_attempt_at"]),
    ("ApiKey", &["id", "name", "scopes", "expires_at", "last_used_at"]),
];

/// Returns the columns of a table of items with this schema.
pub(super) fn columns(schema: &str) -> &'static [&'static str] {
    COLUMNS.iter().find(|(name, _)| *name == schema).map_or(&["id"], |(_, columns)| columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::document::{OPERATIONS, schema_properties};

    #[test]
    fn columns_are_fields_of_the_schema_of_every_list() {
        for operation in OPERATIONS.iter() {
            let Some(schema) = operation.list_of() else { continue };
            assert!(COLUMNS.iter().any(|(name, _)| *name == schema), "no columns for {schema}");
        }
        for (schema, columns) in COLUMNS {
            let properties = schema_properties(schema);
            for column in *columns {
                let field = column.split('.').next().unwrap();
                assert!(properties.contains(&field), "{schema} has no {field}");
            }
        }
    }
}
