//! Access: every operation as every kind of caller, and API keys from creation to revocation.

mod api_keys;
mod every_operation;
