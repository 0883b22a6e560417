//! All integration tests, in one binary. `tests/README.md` describes how to add one.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod actor;
mod architecture;
mod operations;
mod orders;
mod prices;
mod resilience;
mod store;
mod users;
mod wallets;
