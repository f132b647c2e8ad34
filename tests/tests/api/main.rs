//! Black-box tests of the API and the dashboard. They form one binary, so that they are linked only once. Folders mirror
//! the routes; `middleware`, `store` and `documents` hold what concerns all of them.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a missing value fails the test")]

mod access;
mod activations;
mod catalog;
mod customers;
mod dashboard;
mod demo;
mod discovery;
mod documents;
mod end_to_end;
mod events;
mod layers;
mod licenses;
mod middleware;
mod registration;
mod store;
mod transfers;
mod webhooks;
