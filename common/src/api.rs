//! What goes over the wire between clients and services: one module a subject.

pub mod courses;
mod cursor;
pub mod events;
pub mod health;
pub mod leases;
pub mod orders;
pub mod pages;
pub mod prices;
mod problem;
pub mod quotes;
pub mod rates;
pub mod reports;
pub mod sources;

pub use cursor::CursorError;
pub use problem::{Code, FieldError, Problem};
