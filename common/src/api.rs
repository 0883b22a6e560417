//! The wire types of the services, one module per subject, and the error format.

pub mod alerts;
pub mod courses;
mod cursor;
pub mod events;
pub mod filters;
pub mod health;
pub mod history;
pub mod keys;
pub mod leases;
pub mod limit;
pub mod orders;
pub mod pages;
pub mod parameters;
pub mod prices;
mod problem;
mod query_string;
pub mod quotes;
pub mod rates;
pub mod reports;
pub mod schema_rules;
pub mod sources;
pub mod users;
pub mod wallets;

pub use cursor::CursorError;
pub use problem::{
    Code, FieldError, FieldErrors, MAX_FIELD_ERRORS, Problem, REFERENCE_PATH, RetryAdvice, Subcode, reference_html,
    reference_markdown,
};

#[cfg(test)]
mod tests;
