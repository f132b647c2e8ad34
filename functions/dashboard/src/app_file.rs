//! What an app has built in to verify tokens, as a file for operators and in the key file of customers.

use axum::{
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shared::{
    Settings,
    domain::{Jwk, key_ring::KeyRing},
    http::Problem,
};

/// The configuration of an app and of the client libraries.
#[derive(Debug, Serialize)]
pub(crate) struct AppFile {
    api_url: String,
    issuer: String,
    product: String,
    root_keys: Vec<Jwk>,
}

impl AppFile {
    pub(crate) fn new(settings: &Settings, product: &str, ring: &KeyRing) -> Self {
        Self {
            api_url: settings.base_url.clone(),
            issuer: settings.issuer.clone(),
            product: product.to_owned(),
            root_keys: ring.roots.iter().map(Jwk::from).collect(),
        }
    }
}

/// Returns JSON as a file. The name has only characters that a quoted string can have.
pub(crate) fn json_attachment(file_name: &str, content: &impl Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_string_pretty(content).map_err(|error| Problem::internal(error.to_string()))?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")),
    ];
    Ok((headers, text).into_response())
}
