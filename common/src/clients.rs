//! Typed clients of our own services: one module a server, beside the one place that knows how to call.

mod call;
pub mod db_proxy;
pub mod price_cache;

pub use call::{CallError, CallOutcome, Retry, ServiceClient, http_client};
