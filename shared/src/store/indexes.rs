//! The global secondary indexes of the table.

/// A global secondary index.
#[derive(Debug, Clone, Copy)]
pub struct Index {
    /// The name, such as `GSI1`.
    pub name: &'static str,
    /// The attributes of the partition key and of the sort key, both strings.
    pub keys: [&'static str; 2],
    /// The attributes besides the keys.
    pub attributes: IndexedAttributes,
}

/// The attributes of an index besides its keys and those of the table.
#[derive(Debug, Clone, Copy)]
pub enum IndexedAttributes {
    /// All.
    All,
    /// None.
    None,
    /// The attributes that lists of license keys show.
    License,
    /// The attributes that lists of license keys and of customers show.
    LicenseAndCustomer,
}

/// What lists show of a license key: the attributes of its present format, and those that are reserved for a grace after
/// the expiry, batches and borrowed seats. CloudFormation cannot change the attributes of an index.
const LICENSE: [&str; 20] = [
    "id",
    "customer_id",
    "product_id",
    "tier_id",
    "name",
    "external_id",
    "status",
    "superseded_by",
    "revoked_at",
    "revocation_reason",
    "key_hint",
    "max_users",
    "max_tenants",
    "generation",
    "issued_at",
    "expires_at",
    "honoured_until",
    "expiry_grace_seconds",
    "tag",
    "last_borrowed_until",
];
/// What lists show of a customer, besides `id`, `name` and `external_id`.
const CUSTOMER: [&str; 6] = ["email", "company", "subject", "created_at", "updated_at", "erased_at"];

impl IndexedAttributes {
    /// Returns the names; `None` if all attributes are in the index. DynamoDB accepts 100 names in all indexes of a table.
    pub(super) fn names(self) -> Option<Vec<&'static str>> {
        match self {
            Self::All => None,
            Self::None => Some(Vec::new()),
            Self::License => Some(LICENSE.to_vec()),
            Self::LicenseAndCustomer => Some([&LICENSE[..], &CUSTOMER].concat()),
        }
    }
}

/// The global secondary indexes. An item is in an index if it has its key attributes. The items that heartbeats write have
/// only keys that no heartbeat changes, or one that changes once a day.
pub const INDEXES: [Index; 9] = {
    use IndexedAttributes::{All, License, LicenseAndCustomer, None};
    const fn index(name: &'static str, keys: [&'static str; 2], attributes: IndexedAttributes) -> Index {
        Index { name, keys, attributes }
    }
    [
        // License keys by customer, customers by name, events by day.
        index("GSI1", ["GSI1PK", "GSI1SK"], All),
        // All license keys by time, and the statistics.
        index("GSI2", ["GSI2PK", "GSI2SK"], All),
        // License keys by product, customers by email address.
        index("GSI3", ["GSI3PK", "GSI3SK"], LicenseAndCustomer),
        // License keys by pricing tier.
        index("GSI4", ["GSI4PK", "GSI4SK"], License),
        // License keys by stored status and by the time until which they are honoured.
        index("GSI5", ["GSI5PK", "GSI5SK"], License),
        // License keys that expire, by expiry.
        index("GSI6", ["GSI6PK", "GSI6SK"], License),
        // License keys by tag. Reserved.
        index("GSI7", ["GSI7PK", "GSI7SK"], None),
        // Activations by machine and license key.
        index("GSI8", ["GSI8PK", "PK"], None),
        // Activations by the day on which they were last seen, in shards. Reserved.
        index("GSI9", ["GSI9PK", "PK"], None),
    ]
};

/// Returns the attributes of the keys that a query of the table or of an index returns, beginning with those that it
/// queries.
pub(super) fn key_names(index: Option<&str>) -> Vec<&'static str> {
    let keys = INDEXES.iter().find(|known| Some(known.name) == index).map_or(["PK", "SK"], |index| index.keys);
    let mut names = keys.to_vec();
    names.extend(["PK", "SK"].into_iter().filter(|name| !keys.contains(name)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_have_at_most_100_attributes_besides_their_keys() {
        let names = INDEXES.iter().filter_map(|index| index.attributes.names());
        assert!(names.map(|names| names.len()).sum::<usize>() <= 100);
    }
}
