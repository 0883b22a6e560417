//! The harness of the integration tests. It starts the services, PostgreSQL and Redis for a test, breaks connections
//! and processes, and generates load. `tests/README.md` describes how to add a test.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

pub mod backups;
pub mod buydesk_up;
pub mod client;
pub mod collector;
pub mod database_rows;
pub mod environment;
pub mod exchange_faults;
pub mod failover;
pub mod history;
pub mod load;
pub mod nginx;
#[cfg(test)]
mod planted_bugs;
pub mod platform;
pub mod process_kills;
pub mod prometheus;
pub mod raw_http;
pub mod reconciliation;
pub mod restore_drill;
pub mod rolling_restarts;
pub mod servers;
pub mod simulated_exchanges;
pub mod small_disk;
pub mod soak;
pub mod stack;
pub mod system_call_errors;
pub mod tcp_proxy;
pub mod terminal;
pub mod wait;
pub mod wallet_history;

pub use client::{Client, Response};
pub use platform::Platform;
pub use stack::Stack;
pub use wait::wait_until;

/// Generates two tests for each function, one for each stack: SQLite with prices in memory, and PostgreSQL with Redis.
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
