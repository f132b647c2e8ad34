//! The input of products.

use serde::{Deserialize, de::DeserializeOwned};
use shared::{
    domain::{IdGenerator, Metadata, Product, ProductId, Timestamp, ValidationErrors, catalog::check_unchanged},
    http::UpdateInput,
};
use utoipa::ToSchema;

use crate::defaults::default_true;

/// Request to create a product.
///
/// `Code` is the type of the immutable field: it is required to create a product, and can be omitted to replace one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateProductRequest, description = "Request to create a product.")]
pub struct ProductInput<Code = String> {
    /// Unique among products. The `aud` claim of license tokens and, in upper case, the prefix of key strings.
    /// Immutable.
    #[schema(value_type = String, example = "atlas", pattern = "^[a-z0-9][a-z0-9-]{1,39}$")]
    pub code: Code,
    /// Display name.
    #[schema(example = "Atlas", min_length = 1, max_length = 200)]
    pub name: String,
    /// Description for people.
    #[schema(max_length = 2000, example = "Maps of anywhere")]
    pub description: Option<String>,
    /// Position in lists, in ascending order.
    #[serde(default)]
    #[schema(example = 1, default = 0, minimum = -2_147_483_648, maximum = 2_147_483_647)]
    pub sort_order: i32,
    /// Whether the product is available and its license keys can be used.
    #[serde(default = "default_true")]
    #[schema(default = true)]
    pub is_active: bool,
    /// Whether issuing a license key supersedes the customer's current license key for the product.
    #[serde(default = "default_true")]
    #[schema(default = true)]
    pub one_key_per_customer: bool,
    /// Values that your programs store with the product. Null means none.
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Option<Metadata>,
}

/// The input to replace or update a product.
pub type ReplaceProductInput = ProductInput<Option<String>>;

impl<Code: DeserializeOwned + Clone> UpdateInput for ProductInput<Code> {
    const IMMUTABLE: &[&str] = &["code"];
}

impl<Code> ProductInput<Code> {
    fn to_product(&self, id: ProductId, code: String, created_at: Timestamp, updated_at: Timestamp) -> Product {
        Product {
            id,
            code,
            name: self.name.clone(),
            description: self.description.clone(),
            sort_order: self.sort_order,
            is_active: self.is_active,
            one_key_per_customer: self.one_key_per_customer,
            metadata: Some(self.metadata.clone().unwrap_or_default()),
            created_at,
            updated_at,
        }
    }
}

impl ProductInput {
    /// Returns the new product, with the errors of its fields.
    pub(crate) fn create(&self, now: Timestamp) -> (Product, ValidationErrors) {
        let product = self.to_product(IdGenerator::new(now).generate(), self.code.clone(), now, now);
        let mut errors = ValidationErrors::default();
        product.check(&mut errors);
        (product, errors)
    }
}

impl ReplaceProductInput {
    /// Returns the product that replaces `current`, with the errors of its fields.
    pub(crate) fn replace(&self, current: &Product, now: Timestamp) -> (Product, ValidationErrors) {
        let product = self.to_product(current.id, current.code.clone(), current.created_at, now);
        let mut errors = ValidationErrors::default();
        check_unchanged(&mut errors, "/code", self.code.as_deref(), &current.code);
        product.check(&mut errors);
        (product, errors)
    }
}
