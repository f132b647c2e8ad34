//! The discovery function.
