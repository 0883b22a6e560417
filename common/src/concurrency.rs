//! Building blocks for concurrent work. They know no domain and no HTTP.

pub mod backoff;
pub mod batching;
pub mod latest;
pub mod single_flight;
