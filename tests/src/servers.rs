//! PostgreSQL and Redis for tests: a database for each test, and private servers that a test may stop or freeze.

mod database;
mod link;
mod port;
mod private_server;
mod process;

pub use self::{database::Database, link::Link, port::Port, private_server::PrivateServer, process::Process};
