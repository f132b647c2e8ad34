//! Where a sealed value belongs.

/// What a sealed value belongs to. A value that was copied to another item does not open there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingContext {
    /// The name of the table that it was sealed for.
    pub table: String,
    /// The item's key, both parts.
    pub item: String,
    /// What the value is in the item.
    pub purpose: &'static str,
}
