//! The licenses function.
