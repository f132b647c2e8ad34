//! The file of `--map`: which pricing tier belongs to a product, variant, policy or benefit of the other system, and which
//! column of a CSV file to a field.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    fs,
};

use serde::Deserialize;

use super::{lines::LicenseStatus, tier_reference::TierReference};
use crate::cli::error::CliError;

/// What identifies a machine where the other system has both an id that it generated and a name that the app chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MachineIdSource {
    /// The id.
    #[default]
    Id,
    /// The name.
    Name,
}

/// What becomes the external id of a customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CustomerIdSource {
    /// The name and the id of the other system.
    #[default]
    Id,
    /// The email address, so that the customers of several systems are the same.
    Email,
}

/// The content of the file of `--map`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ImportMap {
    /// The pricing tier of all license keys that no other entry describes.
    default_tier: Option<TierReference>,
    products: BTreeMap<String, TierReference>,
    variants: BTreeMap<String, TierReference>,
    policies: BTreeMap<String, TierReference>,
    benefits: BTreeMap<String, TierReference>,
    plans: BTreeMap<String, TierReference>,
    /// The source of the external ids of customers.
    pub(super) customer_id: CustomerIdSource,
    /// The source of the id of a machine.
    pub(super) machine_id: MachineIdSource,
    /// The headings of columns, by field.
    pub(super) columns: BTreeMap<String, String>,
    /// The values of empty cells and missing columns, by field.
    pub(super) defaults: BTreeMap<String, String>,
    /// The statuses of license keys, by their names in the column `status`.
    pub(super) statuses: BTreeMap<String, LicenseStatus>,
}

impl ImportMap {
    /// Reads a file.
    pub(super) fn read(file: &str) -> Result<Self, CliError> {
        let error = |error: &dyn Display| CliError::Usage(format!("--map {file}: {error}"));
        let text = fs::read_to_string(file).map_err(|cause| error(&cause))?;
        serde_json::from_str(&text).map_err(|cause| error(&cause))
    }

    /// Returns the pricing tier of what a customer bought: the first of `bought` that has an entry, by its id or by its name.
    pub(super) fn find(&self, bought: &[Bought]) -> Option<&TierReference> {
        bought.iter().find_map(|one| self.entry(one)).or(self.default_tier.as_ref())
    }

    fn entry(&self, bought: &Bought) -> Option<&TierReference> {
        let entries = match bought.kind {
            BoughtKind::Product => &self.products,
            BoughtKind::Variant => &self.variants,
            BoughtKind::Policy => &self.policies,
            BoughtKind::Benefit => &self.benefits,
            BoughtKind::Plan => &self.plans,
        };
        [&bought.id, &bought.name].into_iter().flatten().find_map(|text| entries.get(text))
    }
}

/// What a customer bought in the other system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bought {
    pub(super) kind: BoughtKind,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
}

/// What other systems call what is like a product or a pricing tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BoughtKind {
    Product,
    Variant,
    Policy,
    Benefit,
    /// The value of a column of a CSV file.
    Plan,
}

impl Display for Bought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            BoughtKind::Product => "product",
            BoughtKind::Variant => "variant",
            BoughtKind::Policy => "policy",
            BoughtKind::Benefit => "benefit",
            BoughtKind::Plan => "plan",
        })?;
        if let Some(id) = &self.id {
            write!(f, " {id}")?;
        }
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " \"{name}\""))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: serde_json::Value) -> Result<ImportMap, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn bought(kind: BoughtKind, id: Option<&str>, name: &str) -> Bought {
        Bought { kind, id: id.map(str::to_owned), name: Some(name.to_owned()) }
    }

    #[test]
    fn first_entry_by_id_or_name_is_the_pricing_tier() {
        let tier = |id: &str| json!({"tier_id": id});
        let map = map(json!({
            "policies": {"p1": tier("by_id"), "Pro": tier("by_name")},
            "products": {"Orbit": tier("by_product"), "p1": tier("never")},
            "default_tier": {"product_code": "orbit", "tier_code": "basic"},
        }))
        .unwrap();
        let found = |bought: &[Bought]| serde_json::to_value(map.find(bought)).unwrap();
        let orbit = bought(BoughtKind::Product, Some("9"), "Orbit");
        assert_eq!(found(&[bought(BoughtKind::Policy, Some("p1"), "Pro"), orbit.clone()]), tier("by_id"));
        assert_eq!(found(&[bought(BoughtKind::Policy, Some("p2"), "Pro"), orbit.clone()]), tier("by_name"));
        assert_eq!(found(&[bought(BoughtKind::Policy, Some("p2"), "Max"), orbit]), tier("by_product"));
        assert_eq!(found(&[]), json!({"product_code": "orbit", "tier_code": "basic"}));
    }

    #[test]
    fn unknown_and_incomplete_entries_are_refused() {
        for (value, expected) in [
            (json!({"tiers": {}}), "unknown field `tiers`"),
            (json!({"products": {"1": {"tier_code": "pro"}}}), "either tier_id, or product_code and tier_code"),
            (json!({"products": {"1": {"tier_id": "a", "tier_code": "pro"}}}), "either tier_id"),
            (json!({"default_tier": {"tier": "a"}}), "unknown field `tier`"),
            (json!({"statuses": {"gone": "deleted"}}), "unknown variant `deleted`"),
        ] {
            let refused = map(value).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
