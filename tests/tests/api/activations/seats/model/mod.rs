//! A model check of the seat protocol: the real commands, over the embedded table, in every interleaving of their calls to
//! DynamoDB, with crashes between calls and lost responses.
//!
//! A [scenario] has up to three machines, the operator and a step of the clock, each of which sends requests to the router in
//! process. Every call to an item of the license key waits until the [explorer] decides that it takes effect, and [how](replies).
//! Random values do not count when [two states](names) are compared, and the random choices of seats are
//! [branches](replies) of the exploration, so that it is exhaustive within its bounds: the scenarios, the number of faults in one
//! execution, and, where the counts say so, the number of executions of a scenario.
//!
//! After each step, the [table] and the [record of tokens](ledger) are checked; at the end of an execution, that
//! [no seat is lost](commands::check_end).
//!
//! By default, a few scenarios run, for seconds. `SIGNET_MODEL_SECONDS` sets how long more of them run (`just model`). With
//! `SIGNET_MODEL_SCENARIO`, only scenarios run whose name, which a failed test prints, contains this text.

mod check;
mod commands;
mod enabled;
mod execution;
mod explorer;
mod footprint;
mod ledger;
mod names;
mod replies;
mod scenario;
mod table;
mod world;
