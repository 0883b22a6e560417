//! Typed clients of our own services: one module a server, beside the one place that knows how to call.

mod call;
pub mod db_proxy;
pub mod price_cache;
pub mod reports;

pub use call::{CallError, CallOutcome, Caller, Retry, http_client};
