//! All integration tests, in one binary; `tests/README.md` says how one is added.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod crashes;
mod edges;
mod feeds;
mod fetching;
mod health;
mod hours;
mod idempotency;
mod kills;
mod limits;
mod openapi;
mod placing;
mod plugs;
mod prices;
mod quotes;
mod rates;
mod refusing;
mod settings;
mod sources;
mod store;
mod updating;
mod wires;
