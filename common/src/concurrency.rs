//! Building blocks for concurrent work, independent of the domain and of HTTP.

pub mod backoff;
pub mod batching;
pub mod latest;
pub mod single_flight;
