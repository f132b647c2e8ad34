//! What a vendor is described by.

/// A product, its features and its tiers.
pub(super) struct ProductPlan {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) features: &'static [FeaturePlan],
    /// A tier comes after the one that it includes.
    pub(super) tiers: &'static [TierPlan],
}

pub(super) struct FeaturePlan {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) display_only: bool,
}

pub(super) struct TierPlan {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) includes: Option<&'static str>,
    /// Its own features, by key.
    pub(super) features: &'static [&'static str],
    /// In cents.
    pub(super) monthly_price: i64,
    pub(super) billing_period: &'static str,
    pub(super) max_users: Option<u32>,
    pub(super) is_claimable: bool,
    pub(super) life: TokenLife,
}

/// How the tokens of a tier live, in seconds.
pub(super) struct TokenLife {
    pub(super) token_ttl: u32,
    pub(super) heartbeat_interval: u32,
    pub(super) grace_period: u32,
}

/// A customer, and what they bought, oldest first.
pub(super) struct CustomerPlan {
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) company: Option<&'static str>,
    pub(super) since_days: i64,
    pub(super) sales: &'static [Sale],
}

/// A license key. The one before it of the same customer and product is superseded.
pub(super) struct Sale {
    pub(super) product: &'static str,
    pub(super) tier: &'static str,
    pub(super) days_ago: i64,
    /// In days from now; none means as the tier says.
    pub(super) ends_in_days: Option<i64>,
    pub(super) revoked: Option<Revocation>,
    pub(super) machines: &'static [MachinePlan],
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
    /// When its last heartbeat came.
    pub(super) seen_minutes_ago: i64,
}
