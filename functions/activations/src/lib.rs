//! The activations function.
