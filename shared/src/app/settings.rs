//! The settings of an installation.

use jiff::SignedDuration;

use super::middleware::cors::Origin;
use crate::{
    auth::OidcSettings,
    domain::{key_ring::RotationPolicy, rate_limit::RateLimits, webhooks::AddressPolicy},
    timeouts::Timeouts,
};

/// The settings of an installation.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `iss` of tokens: a URL without a trailing slash.
    pub issuer: String,
    /// The base URL of the API, without a trailing slash. It equals the issuer, except in a local installation, whose
    /// issuer stays the same when its port changes.
    pub base_url: String,
    /// The maximum difference between clocks. A lease lapses this long after its expiry.
    pub clock_margin: SignedDuration,
    /// The rotation of signing keys.
    pub rotation_policy: RotationPolicy,
    /// The OIDC issuer of bearer tokens. With `None`, only API keys are accepted.
    pub oidc: Option<OidcSettings>,
    /// The rate limits.
    pub rate_limits: RateLimits,
    /// The origins of web pages that may call the API. Public documents are readable by all origins.
    pub cors_origins: Vec<Origin>,
    /// The addresses that webhooks may be sent to.
    pub webhook_addresses: AddressPolicy,
    /// The timeouts of requests and of calls to AWS.
    pub timeouts: Timeouts,
}
