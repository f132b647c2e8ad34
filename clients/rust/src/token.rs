use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{identity::Identity, jwt::Jwt, key_set::KeySet};

const TYPE: &str = "license+jwt";

/// The claims of a license token. Others are ignored.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    /// The product.
    pub(crate) aud: String,
    /// The id of the license, only for support.
    #[serde(default)]
    sub: Value,
    /// The tier, only for support.
    #[serde(default)]
    tier: Value,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    #[serde(default)]
    pub(crate) features: Vec<String>,
    /// Limits by feature; `None` is unlimited.
    #[serde(default)]
    pub(crate) feature_limits: HashMap<String, Option<u64>>,
    pub(crate) enforcement: Enforcement,
    pub(crate) activation: Activation,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Enforcement {
    pub(crate) heartbeat_interval_seconds: i64,
    pub(crate) offline_until: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Activation {
    pub(crate) id: String,
    machine_id: String,
    instance_id: Option<String>,
}

impl Claims {
    /// Returns the claims of a token that a key of the set signed for this product, machine and process, whatever its
    /// times.
    pub(crate) fn verify(token: &str, keys: &KeySet, identity: &Identity) -> Option<Self> {
        let claims = Self::verify_issuer(token, keys, identity)?;
        (claims.aud == identity.product && claims.is_for_machine(identity)).then_some(claims)
    }

    /// Returns the claims of a token that a key of the set signed for this issuer. It can be for another product or machine.
    pub(crate) fn verify_issuer(token: &str, keys: &KeySet, identity: &Identity) -> Option<Self> {
        let jwt = Jwt::parse_as(token, TYPE)?;
        jwt.verify(keys.get(jwt.kid()?)?).filter(|claims: &Self| claims.iss == identity.issuer)
    }

    /// Returns whether the token is for this machine and process.
    pub(crate) fn is_for_machine(&self, identity: &Identity) -> bool {
        let Activation { machine_id, instance_id, .. } = &self.activation;
        *machine_id == identity.machine_id && *instance_id == identity.instance_id
    }

    /// Returns the id of the license and the code of its tier, for support.
    pub(crate) fn describe_license(&self) -> String {
        let [sub, tier] = [&self.sub, &self.tier["code"]].map(|value| value.as_str().unwrap_or("unknown"));
        format!("{sub}, tier {tier}")
    }
}

/// Returns the `kid` of a token with an acceptable header.
pub(crate) fn signing_key_id(token: &str) -> Option<String> {
    Jwt::parse_as(token, TYPE)?.kid().map(str::to_owned)
}
