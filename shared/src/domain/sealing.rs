//! The context of sealed values.
//!
//! A sealed value is encrypted with its context as additional authenticated data.

/// The context that a sealed value is bound to. A value that is copied to another item can't be opened there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingContext {
    /// The name of the table that the value was sealed for.
    pub table: String,
    /// The partition key and sort key of the item.
    pub item: String,
    /// The name of the value within the item.
    pub purpose: &'static str,
}
