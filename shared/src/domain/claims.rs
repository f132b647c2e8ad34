//! What a license token says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    catalog::{Catalog, Product, Tier},
    license::License,
    seat::{ActivationId, whole_second},
};

/// The most that the claims of a token are as JSON, in bytes. Signed, in base64url and encrypted to an app's key, such a
/// token still fits into the 64 KiB of a heartbeat's body.
pub const MAX_CLAIMS_BYTES: usize = 34_000;
/// What of that the features have at most. The catalog takes no tier that needs more, as no token of it could be signed;
/// the rest is enough for whatever the other claims may hold.
pub const MAX_FEATURES_BYTES: usize = 30_000;

/// The tier, as a token names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TierClaim {
    /// `tier_…`
    #[schema(example = "tier_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub id: String,
    /// Unique within the product.
    #[schema(example = "pro")]
    pub code: String,
    /// What people call it.
    #[schema(example = "Pro")]
    pub name: String,
}

/// What was bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitsClaim {
    /// Seats; none means no limit.
    #[schema(required, example = 5)]
    pub max_users: Option<u32>,
    /// Tenants; none means no limit.
    #[schema(required)]
    pub max_tenants: Option<u32>,
}

/// How an app enforces the license when it can't ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnforcementClaim {
    /// How often to send a heartbeat.
    #[schema(example = 900)]
    pub heartbeat_interval_seconds: u32,
    /// How long past `exp` the app may go on.
    #[schema(example = 0)]
    pub grace_period_seconds: u32,
    /// When the license ends; none means never.
    #[schema(value_type = Option<String>, format = DateTime, required, example = "2027-01-15T12:00:00Z")]
    pub license_expires_at: Option<Timestamp>,
}

/// The machine that the token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActivationClaim {
    /// `act_…`
    #[schema(value_type = ActivationId)]
    pub id: String,
    /// What the app calls the machine.
    #[schema(example = "machine-1")]
    pub machine_id: String,
}

/// The claims of a license token: RFC 7519 §4.1, then our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claims {
    /// The issuer's URL.
    #[schema(example = "https://licenses.example.com")]
    pub iss: String,
    /// The product's code.
    #[schema(example = "atlas")]
    pub aud: String,
    /// The license's id.
    #[schema(example = "lic_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub sub: String,
    /// When it was made, in seconds since 1970.
    #[schema(example = 1_768_478_400)]
    pub iat: i64,
    /// From when it counts: as `iat`.
    #[schema(example = 1_768_478_400)]
    pub nbf: i64,
    /// Until when it counts: the token's life, or the license's end where that is earlier.
    #[schema(example = 1_768_482_000)]
    pub exp: i64,
    /// Unique.
    #[schema(example = "01KF1Q5T9C8V0R2M4N6P7S3W5X")]
    pub jti: String,
    /// Who bought.
    #[schema(example = "cus_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub customer_id: String,
    /// What.
    #[schema(example = "prod_01JD8W0V5XK6Q3R7T2N4M8P9ZB")]
    pub product_id: String,
    /// In which tier.
    pub tier: TierClaim,
    /// Feature keys, sorted, inherited ones included.
    #[schema(example = json!(["export.pdf"]))]
    pub features: Vec<String>,
    /// What was bought.
    pub limits: LimitsClaim,
    /// How an app enforces it.
    pub enforcement: EnforcementClaim,
    /// Of the license key.
    #[schema(example = 1)]
    pub generation: u32,
    /// Absent in the token that issuing returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub activation: Option<ActivationClaim>,
}

impl Claims {
    /// What a token made now says of a license, on a machine or on none.
    pub fn new(
        issuer: &str,
        jti: String,
        license: &License,
        (catalog, product, tier): (&Catalog, &Product, &Tier),
        machine: Option<(&ActivationId, &str)>,
        now: Timestamp,
    ) -> Self {
        let iat = whole_second(now);
        let life = iat + i64::from(tier.token_ttl_seconds);
        Self {
            iss: issuer.to_owned(),
            aud: product.code.clone(),
            sub: license.id.to_string(),
            iat,
            nbf: iat,
            exp: license.expires_at.map_or(life, |end| life.min(whole_second(end))),
            jti,
            customer_id: license.customer_id.to_string(),
            product_id: product.id.to_string(),
            tier: TierClaim { id: tier.id.to_string(), code: tier.code.clone(), name: tier.name.clone() },
            features: catalog.feature_keys(tier),
            limits: LimitsClaim { max_users: license.max_users, max_tenants: license.max_tenants },
            enforcement: EnforcementClaim {
                heartbeat_interval_seconds: tier.heartbeat_interval_seconds,
                grace_period_seconds: tier.grace_period_seconds,
                license_expires_at: license.expires_at,
            },
            generation: license.generation,
            activation: machine
                .map(|(id, machine_id)| ActivationClaim { id: id.to_string(), machine_id: machine_id.to_owned() }),
        }
    }

    /// Whether another token says the same, its times and its `jti` aside.
    pub fn has_same_content(&self, other: &Self) -> bool {
        let (iat, nbf, exp, jti) = (self.iat, self.nbf, self.exp, self.jti.clone());
        *self == Self { iat, nbf, exp, jti, ..other.clone() }
    }
}
