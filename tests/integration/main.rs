//! All integration tests, in one binary; `tests/README.md` says how one is added.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod architecture;
mod operations;
mod orders;
mod prices;
mod resilience;
mod store;
