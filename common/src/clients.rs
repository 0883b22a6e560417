//! Typed clients of the services, one module per server, and the code that performs calls.

mod call;
pub mod db_proxy;
mod dispatch;
mod forwarding;
pub mod keys;
pub mod price_cache;
mod readiness;

pub use call::{CallError, CallOutcome, Retry, ServiceClient, http_client, http_client_with_proxy};
pub use dispatch::{DispatchError, key_not_looked_up, results_of_batch, unknown_outcome};
pub use forwarding::{ForwardedRead, ForwardedResponse, ForwardingClient, ForwardingError};
