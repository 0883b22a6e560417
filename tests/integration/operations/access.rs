//! Who may do what: every operation as every caller, and API keys over their life.

mod api_keys;
mod every_operation;
