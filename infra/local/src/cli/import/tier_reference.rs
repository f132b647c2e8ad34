//! How a line and the file of `--map` name a pricing tier.

use serde::{Deserialize, Serialize};

/// A pricing tier of the installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "TierFields")]
pub(super) enum TierReference {
    /// By its id.
    Id { tier_id: String },
    /// By its code and that of its product.
    Code { product_code: String, tier_code: String },
}

/// The fields of a [`TierReference`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TierFields {
    pub(super) tier_id: Option<String>,
    pub(super) product_code: Option<String>,
    pub(super) tier_code: Option<String>,
}

impl TryFrom<TierFields> for TierReference {
    type Error = &'static str;

    fn try_from(fields: TierFields) -> Result<Self, Self::Error> {
        match fields {
            TierFields { tier_id: Some(tier_id), product_code: None, tier_code: None } => Ok(Self::Id { tier_id }),
            TierFields { tier_id: None, product_code: Some(product_code), tier_code: Some(tier_code) } => {
                Ok(Self::Code { product_code, tier_code })
            }
            _ => Err("a pricing tier needs either tier_id, or product_code and tier_code"),
        }
    }
}
