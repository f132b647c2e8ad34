//! The license configuration: the URLs and algorithms that an app needs, so that it must be configured with one URL
//! only.

use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use serde::Serialize;
use shared::{
    Settings,
    http::{API_BASE_PATH, WithEtag},
    tokens::{Tokens, jwe},
};
use utoipa::ToSchema;

use crate::jwks::public_cache_control;

/// The claims of a license token: the field names of [`shared::domain::Claims`].
const CLAIMS: [&str; 16] = [
    "iss",
    "aud",
    "sub",
    "iat",
    "nbf",
    "exp",
    "jti",
    "customer_id",
    "product_id",
    "tier",
    "features",
    "feature_limits",
    "limits",
    "enforcement",
    "generation",
    "activation",
];

/// The URLs and algorithms that an app needs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LicenseConfiguration)]
pub struct LicenseConfigurationResource {
    /// The issuer: the `iss` claim of license tokens.
    #[schema(example = "https://licenses.example.com")]
    issuer: String,
    /// URL of the public signing keys.
    #[schema(example = "https://licenses.example.com/.well-known/jwks.json")]
    jwks_uri: String,
    /// URL of the public signing keys, signed by the root key.
    #[schema(example = "https://licenses.example.com/.well-known/jwks.jwt")]
    signed_jwks_uri: String,
    /// Version of the API endpoints below.
    #[schema(example = "1.0")]
    api_version: &'static str,
    /// Activates a machine.
    #[schema(example = "https://licenses.example.com/api/v1.0/license-activations/activate")]
    activation_endpoint: String,
    /// Deactivates a machine. `{id}` is the activation id.
    #[schema(example = "https://licenses.example.com/api/v1.0/license-activations/{id}/deactivate")]
    deactivation_endpoint: String,
    /// Extends the lease and renews the license token.
    #[schema(example = "https://licenses.example.com/api/v1.0/license-keys/heartbeat")]
    heartbeat_endpoint: String,
    /// Validates a license key or a license token.
    #[schema(example = "https://licenses.example.com/api/v1.0/license-keys/validate")]
    validation_endpoint: String,
    /// The public catalog.
    #[schema(example = "https://licenses.example.com/api/v1.0/products/catalog")]
    catalog_endpoint: String,
    /// Signature algorithms of license tokens.
    #[schema(example = json!(["RS256"]))]
    token_signing_alg_values_supported: [&'static str; 1],
    /// Key encryption algorithms of encrypted license tokens.
    #[schema(example = json!(["RSA-OAEP"]))]
    token_encryption_alg_values_supported: [&'static str; 1],
    /// Content encryption algorithms of encrypted license tokens.
    #[schema(example = json!(["A256CBC-HS512"]))]
    token_encryption_enc_values_supported: [&'static str; 1],
    /// Claims that a license token can contain.
    #[schema(value_type = Vec<String>, example = json!(["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "customer_id", "product_id", "tier", "features", "feature_limits", "limits", "enforcement", "generation", "activation"]))]
    claims_supported: [&'static str; CLAIMS.len()],
}

/// Returns the license configuration.
#[utoipa::path(
    get,
    path = "/.well-known/license-configuration",
    operation_id = "get_license_configuration",
    tag = "discovery",
    summary = "Get the license configuration",
    description = "The URLs and algorithms that an app needs.",
    responses((status = 200, description = "The license configuration", body = LicenseConfigurationResource, headers(("ETag" = String)))),
)]
pub(crate) async fn handler(State(tokens): State<Tokens>, State(settings): State<Arc<Settings>>) -> impl IntoResponse {
    let max_age = tokens.ring().refresh_interval();
    (public_cache_control(max_age), WithEtag(configuration(&settings)))
}

fn configuration(settings: &Settings) -> LicenseConfigurationResource {
    let root = &settings.base_url;
    let api = format!("{root}{API_BASE_PATH}");
    LicenseConfigurationResource {
        issuer: settings.issuer.clone(),
        jwks_uri: format!("{root}/.well-known/jwks.json"),
        signed_jwks_uri: format!("{root}/.well-known/jwks.jwt"),
        api_version: "1.0",
        activation_endpoint: format!("{api}/license-activations/activate"),
        deactivation_endpoint: format!("{api}/license-activations/{{id}}/deactivate"),
        heartbeat_endpoint: format!("{api}/license-keys/heartbeat"),
        validation_endpoint: format!("{api}/license-keys/validate"),
        catalog_endpoint: format!("{api}/products/catalog"),
        token_signing_alg_values_supported: ["RS256"],
        token_encryption_alg_values_supported: [jwe::ALGORITHM],
        token_encryption_enc_values_supported: [jwe::CONTENT_ENCRYPTION],
        claims_supported: CLAIMS,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shared::domain::Claims;

    use super::*;

    #[test]
    fn claims_supported_lists_all_claims() {
        let claims: Claims = serde_json::from_value(serde_json::json!({
            "iss": "", "aud": "", "sub": "", "iat": 0, "nbf": 0, "exp": 0, "jti": "",
            "customer_id": "", "product_id": "", "tier": {"id": "", "code": "", "name": ""}, "features": [],
            "limits": {"max_users": null, "max_tenants": null},
            "enforcement": {"heartbeat_interval_seconds": 1, "offline_until": 0, "license_expires_at": null},
            "generation": 1, "activation": {"id": "", "machine_id": ""},
        }))
        .unwrap();
        let written = serde_json::to_value(&claims).unwrap();
        let names: BTreeSet<_> = written.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(CLAIMS));
    }
}
