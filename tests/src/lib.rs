//! The harness of the integration tests: services on ports of their own, databases of their own, servers that can be
//! stopped and frozen, wires that can be cut. `tests/README.md` says how a test is added.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

pub mod client;
pub mod environment;
pub mod exchange_faults;
pub mod history;
pub mod load;
pub mod platform;
pub mod process_kills;
pub mod raw_http;
pub mod reconciliation;
pub mod servers;
pub mod simulated_exchanges;
pub mod tcp_proxy;
pub mod wait;

pub use client::{Client, Response};
pub use platform::{Platform, Stack};
pub use wait::wait_until;

/// Makes each function a test on both stacks: SQLite with prices in memory, and PostgreSQL with Redis.
#[macro_export]
macro_rules! on_both_stacks {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::Stack::Embedded).await; })+
        }
        mod servers {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::Stack::Servers).await; })+
        }
    };
}
