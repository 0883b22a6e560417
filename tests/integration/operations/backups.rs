//! `buydesk backup` and `buydesk restore`.

mod postgres;
mod sqlite;
