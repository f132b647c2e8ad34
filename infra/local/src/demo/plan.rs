//! Types that describe the demo data.

/// A product, its features and its tiers.
pub(super) struct ProductPlan {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) features: &'static [FeaturePlan],
    /// A tier follows the tier that it includes.
    pub(super) tiers: &'static [TierPlan],
}

pub(super) struct FeaturePlan {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    /// The unit of a limit; `None` for a flag.
    pub(super) unit: Option<&'static str>,
    pub(super) display_only: bool,
}

pub(super) struct TierPlan {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) includes: Option<&'static str>,
    /// Keys of the features that the tier adds.
    pub(super) features: &'static [&'static str],
    /// Keys and values of the limits that the tier sets; `None` means unlimited.
    pub(super) limits: &'static [(&'static str, Option<u64>)],
    /// In cents.
    pub(super) monthly_price: i64,
    pub(super) billing_period: &'static str,
    pub(super) max_users: Option<u32>,
    pub(super) is_claimable: bool,
    pub(super) tokens: TokenSettings,
}

/// How an app uses the seats of a tier, and its token settings, in seconds.
pub(super) struct TokenSettings {
    pub(super) token_ttl: u32,
    pub(super) heartbeat_interval: u32,
    pub(super) offline_grace: u32,
    pub(super) expiry_grace: u32,
    pub(super) max_borrow: u32,
    /// `machine` or `process`.
    pub(super) seat_unit: &'static str,
}

/// A customer and their license keys, oldest first.
pub(super) struct CustomerPlan {
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) company: Option<&'static str>,
    pub(super) created_days_ago: i64,
    pub(super) licenses: &'static [LicensePlan],
}

/// A license key. It supersedes the customer's previous key for the same product.
pub(super) struct LicensePlan {
    pub(super) product: &'static str,
    pub(super) tier: &'static str,
    pub(super) issued_days_ago: i64,
    /// Days from now; `None` uses the term of the tier.
    pub(super) expires_in_days: Option<i64>,
    pub(super) revoked: Option<Revocation>,
    pub(super) overridden: Option<LimitOverride>,
    pub(super) machines: &'static [MachinePlan],
}

/// An exception for a license key: another limit for some time.
pub(super) struct LimitOverride {
    pub(super) feature: &'static str,
    pub(super) limit: u64,
    pub(super) ends_in_days: i64,
    pub(super) note: &'static str,
}

pub(super) struct Revocation {
    pub(super) days_ago: i64,
    pub(super) reason: &'static str,
}

pub(super) struct MachinePlan {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) ip: &'static str,
    pub(super) activated_days_ago: i64,
    /// Time of the last heartbeat.
    pub(super) seen_minutes_ago: i64,
    pub(super) app_version: &'static str,
    pub(super) os: &'static str,
}
