//! Black-box tests over HTTP, in one program: it is linked once.

mod activations;
mod api_keys;
mod audit;
mod catalog;
mod customers;
mod demo;
mod discovery;
mod errors;
mod events;
mod faults;
mod idempotency;
mod licenses;
mod lifecycle;
mod oidc;
mod seats_conditions;
mod seats_costs;
mod seats_faults;
mod seats_overtaken;
mod seats_race;
mod story;
mod table;
mod time;
mod users;
mod validate;
mod versions;
mod who_may;
