//! Typed clients of the services, one module per server, and the code that performs calls.

mod call;
pub mod db_proxy;
pub mod price_cache;
mod readiness;

pub use call::{CallError, CallOutcome, Retry, ServiceClient, http_client};
