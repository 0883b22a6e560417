//! The edge that every service has: one place where requests come in, and where failures become problems.

mod body;
mod current;
mod edge;
mod internal;
pub mod limits;
mod methods;
mod rate_limit;
mod server;
mod standard;
mod written;

pub use body::{Json, OptionalBody, parse_form};
pub use current::CurrentRequest;
pub use edge::Edge;
pub use internal::InternalCaller;
pub use rate_limit::{RateLimit, TrustedProxies};
pub use server::{Server, bind};
pub use standard::{ReadinessCheck, Standard, document, endpoint};
pub use written::Written;
