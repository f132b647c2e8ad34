//! The claims of license tokens.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    catalog::{Catalog, Product, Tier},
    entitlements::{MAX_OVERRIDES, feature_claims},
    license::License,
    seat::{Activation, ActivationId, whole_second},
    token_times::TokenTimes,
};

/// The maximum size of the claims as JSON, in bytes. A token of this size, signed and encrypted to an app's key, fits
/// into the 64 KiB of a heartbeat request.
pub const MAX_CLAIMS_BYTES: usize = 35_000;
/// The maximum size of the claims `features` and `feature_limits` as JSON, in bytes. The catalog rejects tiers that exceed
/// it, and a license key cannot get overrides that exceed it. A tier that grows later can exceed it together with overrides, by
/// at most [`MAX_OVERRIDES_BYTES`]. The remaining bytes of [`MAX_CLAIMS_BYTES`] suffice for that and for the largest values of
/// all other claims.
pub const MAX_FEATURES_BYTES: usize = 30_000;
/// The maximum size of the features that overrides add to a token, as JSON, in bytes: limits with keys of 64 characters.
pub const MAX_OVERRIDES_BYTES: usize = MAX_OVERRIDES * 84;

/// The pricing tier of the license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TierClaim {
    /// `tier_…`
    #[schema(example = "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub id: String,
    /// Unique within the product.
    #[schema(example = "pro")]
    pub code: String,
    /// Display name.
    #[schema(example = "Pro")]
    pub name: String,
}

/// The limits of the license key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsClaim {
    /// Number of seats; null means no limit.
    #[schema(required, example = 5)]
    pub max_users: Option<u32>,
    /// Number of tenants; null means no limit.
    #[schema(required, format = Int64)]
    pub max_tenants: Option<u32>,
}

/// How an app enforces the license while it is offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnforcementClaim {
    /// How often to send a heartbeat, in seconds.
    #[schema(example = 900)]
    pub heartbeat_interval_seconds: u32,
    /// Until when the app may continue while it cannot reach the API, as Unix time: `exp` plus the tier's
    /// `offline_grace_seconds`, but no later than the license key is honoured. It is absolute: an app adds nothing to it.
    #[schema(example = 1_768_741_200)]
    pub offline_until: i64,
    /// When the license key expires; null means never. It is honoured for some time afterwards if its tier has a grace.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2027-01-15T12:00:00Z")]
    pub license_expires_at: Option<Timestamp>,
}

/// The activation that the token was issued for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActivationClaim {
    /// `act_…`
    #[schema(value_type = ActivationId)]
    pub id: String,
    /// The machine id that the app chose.
    #[schema(example = "machine-1")]
    pub machine_id: String,
    /// The id of the process that holds the seat; absent if the machine holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "4711-1")]
    pub instance_id: Option<String>,
}

/// The claims of a license token: registered claims (RFC 7519, section 4.1), then Signet's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claims {
    /// The URL of the issuer.
    #[schema(example = "https://licenses.example.com")]
    pub iss: String,
    /// The code of the product.
    #[schema(example = "atlas")]
    pub aud: String,
    /// The id of the license key.
    #[schema(example = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub sub: String,
    /// When the token was issued, as Unix time.
    #[schema(example = 1_768_478_400)]
    pub iat: i64,
    /// When the token becomes valid, as Unix time. Same as `iat`.
    #[schema(example = 1_768_478_400)]
    pub nbf: i64,
    /// When the token expires, as Unix time: `iat` plus the token lifetime, or the time until which the license key is
    /// honoured if that is earlier.
    #[schema(example = 1_768_482_000)]
    pub exp: i64,
    /// Unique id of the token.
    #[schema(example = "01KF1Q5T9C8V0R2M4N6P7S3W5X")]
    pub jti: String,
    /// The id of the customer; null while the license key belongs to none.
    #[schema(required, example = "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub customer_id: Option<String>,
    /// The id of the product.
    #[schema(example = "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub product_id: String,
    /// The pricing tier.
    pub tier: TierClaim,
    /// The keys of the flags that are on, sorted: those of the tier, including inherited ones, with the overrides of the
    /// license key.
    #[schema(example = json!(["export.pdf"]))]
    pub features: Vec<String>,
    /// The limits of the license key, by the key of the feature; null means unlimited.
    #[serde(default)]
    #[schema(required, example = json!({"export.rows": 1000}))]
    pub feature_limits: BTreeMap<String, Option<u64>>,
    /// The limits of the license key.
    pub limits: LimitsClaim,
    /// How an app enforces the license while it is offline.
    pub enforcement: EnforcementClaim,
    /// The generation of the license key.
    #[schema(example = 1)]
    pub generation: u32,
    /// The activation. Absent in the token that is returned when a license key is issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub activation: Option<ActivationClaim>,
}

impl Claims {
    /// Returns when the token expires.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_second(self.exp).unwrap_or(Timestamp::MAX)
    }

    /// Creates the claims of a token that is issued at `now`, with or without an activation.
    pub fn new(
        issuer: &str,
        jti: String,
        license: &License,
        (catalog, product, tier): (&Catalog, &Product, &Tier),
        activation: Option<&Activation>,
        now: Timestamp,
    ) -> Self {
        let iat = whole_second(now);
        let borrowed_until = activation.and_then(|activation| activation.borrow).map(|borrow| borrow.until);
        let times = TokenTimes::new(iat, tier, license, borrowed_until);
        // A borrowed token outlives its heartbeats, so it must not grant more than the overrides do until its end.
        let long_lived =
            borrowed_until.filter(|until| *until > now).and_then(|_| Timestamp::from_second(times.exp).ok());
        let (features, feature_limits) =
            feature_claims(&catalog.entitlements(tier, &license.overrides, now, long_lived));
        Self {
            iss: issuer.to_owned(),
            aud: product.code.clone(),
            sub: license.id.to_string(),
            iat,
            nbf: iat,
            exp: times.exp,
            jti,
            customer_id: license.customer_id.map(|id| id.to_string()),
            product_id: product.id.to_string(),
            tier: TierClaim { id: tier.id.to_string(), code: tier.code.clone(), name: tier.name.clone() },
            features,
            feature_limits,
            limits: LimitsClaim { max_users: license.max_users, max_tenants: license.max_tenants },
            enforcement: EnforcementClaim {
                heartbeat_interval_seconds: tier.heartbeat_interval_seconds,
                offline_until: times.offline_until,
                license_expires_at: license.expires_at,
            },
            generation: license.generation,
            activation: activation.map(|activation| ActivationClaim {
                id: activation.id.to_string(),
                machine_id: activation.machine_id.clone(),
                instance_id: activation.instance_id.clone(),
            }),
        }
    }

    /// Ends the token at this time, online and offline, if it would end later.
    #[must_use]
    pub fn until(mut self, end: Timestamp) -> Self {
        self.exp = self.exp.min(whole_second(end));
        self.enforcement.offline_until = self.enforcement.offline_until.min(whole_second(end));
        self
    }

    /// Returns the times of the token.
    pub fn times(&self) -> TokenTimes {
        TokenTimes { exp: self.exp, offline_until: self.enforcement.offline_until }
    }

    /// Returns whether a token with these claims is current: it has the claims that a token of this tier and license would have
    /// now, `fresh`, apart from its id, and the times that such a token would have had when it was issued.
    pub fn is_current(&self, fresh: &Self, tier: &Tier, license: &License, borrowed_until: Option<Timestamp>) -> bool {
        let mut same = fresh.clone();
        (same.iat, same.nbf, same.exp, same.jti) = (self.iat, self.nbf, self.exp, self.jti.clone());
        same.enforcement.offline_until = self.enforcement.offline_until;
        *self == same && self.times() == TokenTimes::new(self.iat, tier, license, borrowed_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::tests::{id, product, tier};

    #[test]
    fn the_largest_values_of_all_other_claims_fit_beside_the_features() {
        let tier = Tier {
            code: "c".repeat(40),
            name: "\u{1f600}".repeat(200),
            token_ttl_seconds: 31_536_000,
            heartbeat_interval_seconds: 31_536_000,
            max_users: Some(100_000),
            max_tenants: Some(u32::MAX),
            ..tier(1, None, &[])
        };
        let product = Product { code: "a".repeat(40), ..product() };
        let end = "9999-12-30T21:59:59.999Z".parse().unwrap();
        let license = License::issued(id(2), Some(id(3)), &tier, "", end).with_expiry(Some(end));
        let license = License { generation: u32::MAX, ..license };
        let activation_id = format!("act_{}_{}_{}", license.id.ulid(), "0".repeat(64), "0".repeat(20)).parse().unwrap();
        // JSON escapes each byte of the longest ids of a process.
        let activation = Activation {
            id: activation_id,
            seat: None,
            generation: u32::MAX,
            machine_id: "\"".repeat(192),
            instance_id: Some("\"".repeat(64)),
            last_ip: String::new(),
            last_heartbeat_at: end,
            lease_expires_at: end,
            public_key: None,
            borrow: None,
            offline_file_until: None,
            facts_digest: None,
            facts_until: None,
            ended_at: None,
        };
        let jti = "Z".repeat(26);
        let product_and_tier = (&Catalog::default(), &product, &tier);
        let largest = Claims::new(&"i".repeat(500), jti, &license, product_and_tier, Some(&activation), end);
        let others = serde_json::to_vec(&largest).unwrap().len();
        let total = others + MAX_FEATURES_BYTES + MAX_OVERRIDES_BYTES;
        assert!(others > 2000 && total <= MAX_CLAIMS_BYTES, "{total}");
    }
}
