//! What an app needs, in one file to download.

use axum::{
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use discovery::license_configuration::configuration;
use serde::Serialize;
use shared::{
    domain::{Jwk, LicenseId},
    http::{PathId, Problem},
};

use super::{license::key_string, own_license};
use crate::enter::Visit;

/// The file. Its endpoints have the names that they have in the license configuration.
#[derive(Serialize)]
struct AppFile {
    license_key: String,
    license_id: LicenseId,
    product: String,
    issuer: String,
    activation_endpoint: String,
    heartbeat_endpoint: String,
    jwks_uri: String,
    signed_jwks_uri: String,
    license_configuration_uri: String,
    /// What verifies the signed set of keys.
    root_keys: Vec<Jwk>,
}

/// Answers a form, so that no address leads to the key string.
pub(super) async fn download(visit: Visit, PathId(id): PathId<LicenseId>) -> Result<Response, Problem> {
    let license = own_license(&visit, id).await?;
    let services = &visit.services;
    let sold = async { Ok(services.catalog.read(&services.table, visit.call.now).await?) };
    let ring = async { Ok(services.table.ring().await?) };
    let (key, sold, ring) = tokio::try_join!(key_string(&visit, &license), sold, ring)?;
    let product = sold.products.get(&license.product_id).ok_or_else(Problem::not_found)?;
    let places = configuration(&services.settings);
    let file = AppFile {
        license_key: key.expose().to_owned(),
        license_id: id,
        product: product.code.clone(),
        issuer: places.issuer,
        activation_endpoint: places.activation_endpoint,
        heartbeat_endpoint: places.heartbeat_endpoint,
        jwks_uri: places.jwks_uri,
        signed_jwks_uri: places.signed_jwks_uri,
        license_configuration_uri: format!("{}/.well-known/license-configuration", services.settings.base_url),
        root_keys: ring.roots.iter().map(Jwk::from).collect(),
    };
    let text = serde_json::to_string_pretty(&file).map_err(|error| Problem::fault(error.to_string()))?;
    let name = format!("attachment; filename=\"{}-license.json\"", product.code);
    let name = HeaderValue::try_from(name).map_err(|error| Problem::fault(error.to_string()))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
}
