//! The input of product features.

use serde::{Deserialize, de::DeserializeOwned};
use shared::{
    domain::{
        EntitlementKind, Feature, FeatureId, IdGenerator, ProductId, Timestamp, ValidationErrors,
        catalog::check_unchanged,
    },
    http::UpdateInput,
};
use utoipa::ToSchema;

/// Request to create a product feature.
///
/// `Product`, `Key` and `Kind` are the types of the immutable fields: the first two are required to create a feature, and all
/// can be omitted to replace one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateProductFeatureRequest, description = "Request to create a product feature.")]
pub struct FeatureInput<Product = ProductId, Key = String, Kind = EntitlementKind> {
    /// The product that the feature belongs to. Immutable.
    #[schema(value_type = ProductId)]
    pub product_id: Product,
    /// The name in the `features` or `feature_limits` claim; unique within the product. Immutable.
    #[schema(value_type = String, example = "export.pdf", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub key: Key,
    /// What the feature grants: `flag` (the default), which a tier includes or not, or `limit`, a number for each tier.
    /// Immutable.
    #[serde(default)]
    #[schema(value_type = EntitlementKind)]
    pub kind: Kind,
    /// The unit of a limit, for people, of at most 40 bytes in UTF-8. Null for a flag.
    #[schema(min_length = 1, max_length = 40)]
    pub unit: Option<String>,
    /// Display name.
    #[schema(example = "PDF export", min_length = 1, max_length = 200)]
    pub name: String,
    /// Description for people.
    #[schema(max_length = 2000, example = "Saves a map as PDF")]
    pub description: Option<String>,
    /// Whether the feature is for display only, such as in a price list. Tokens do not contain such features.
    #[serde(default)]
    #[schema(default = false)]
    pub display_only: bool,
    /// Position in lists, in ascending order.
    #[serde(default)]
    #[schema(example = 1, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
}

/// The input to replace or update a feature.
pub type ReplaceFeatureInput = FeatureInput<Option<String>, Option<String>, Option<String>>;

impl<Product, Key, Kind> UpdateInput for FeatureInput<Product, Key, Kind>
where
    Product: DeserializeOwned + Clone,
    Key: DeserializeOwned + Clone,
    Kind: DeserializeOwned + Default + Clone,
{
    const IMMUTABLE: &[&str] = &["product_id", "key", "kind"];
}

impl<Product, Key, Kind> FeatureInput<Product, Key, Kind> {
    fn to_feature(
        &self,
        (id, product_id, key, kind): (FeatureId, ProductId, String, EntitlementKind),
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> Feature {
        Feature {
            id,
            product_id,
            key,
            kind,
            unit: self.unit.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            display_only: self.display_only,
            sort_order: self.sort_order,
            created_at,
            updated_at,
        }
    }
}

impl FeatureInput {
    /// Returns the new feature, with the errors of its fields.
    pub(crate) fn create(&self, now: Timestamp) -> (Feature, ValidationErrors) {
        let id = IdGenerator::new(now).generate();
        let feature = self.to_feature((id, self.product_id, self.key.clone(), self.kind), now, now);
        let mut errors = ValidationErrors::default();
        feature.check(&mut errors);
        (feature, errors)
    }
}

impl ReplaceFeatureInput {
    /// Returns the feature that replaces `current`, with the errors of its fields.
    pub(crate) fn replace(&self, current: &Feature, now: Timestamp) -> (Feature, ValidationErrors) {
        let immutable = (current.id, current.product_id, current.key.clone(), current.kind);
        let feature = self.to_feature(immutable, current.created_at, now);
        let mut errors = ValidationErrors::default();
        check_unchanged(&mut errors, "/product_id", self.product_id.as_deref(), &current.product_id.to_string());
        check_unchanged(&mut errors, "/key", self.key.as_deref(), &current.key);
        check_unchanged(&mut errors, "/kind", self.kind.as_deref(), current.kind.as_str());
        feature.check(&mut errors);
        (feature, errors)
    }
}
