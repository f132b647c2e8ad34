//! The customers function.
