//! The two combinations of stores that the behaviour tests run on.

/// The stores of orders and prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// SQLite, and prices in memory.
    Embedded,
    /// PostgreSQL and Redis.
    Servers,
}
