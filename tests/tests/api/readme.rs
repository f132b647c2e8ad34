//! The README's Rust lines, as they are written there.
#![allow(unreachable_pub, clippy::pedantic, reason = "they are written to be read there, and pasted into an app")]

include!(concat!(env!("OUT_DIR"), "/verify.rs"));
