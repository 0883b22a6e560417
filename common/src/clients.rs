//! Typed clients of the services, one module per server, and the code that performs calls.

mod call;
mod call_error;
mod call_span;
pub mod db_proxy;
mod dispatch;
mod forwarding;
mod instances;
pub mod keys;
pub mod price_cache;
mod readiness;
mod shared_read;
mod transport_failure;

pub use call::{
    CallOutcome, Retry, ServiceClient, http_client, http_client_with_connections, http_client_with_proxy,
    http_client_with_timeout,
};
pub use call_error::CallError;
pub use dispatch::{DispatchError, key_not_looked_up, results_of_batch, unknown_outcome, with_denial};
pub use forwarding::{ForwardedRead, ForwardedResponse, ForwardingClient, ForwardingError};
pub use shared_read::SharedReadError;
pub use transport_failure::describe_transport_failure;
