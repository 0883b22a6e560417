//! PostgreSQL and Redis for tests: a database for each test, and private servers that a test may stop or freeze.

mod database;
mod link;
mod machine;
mod port;
mod private_server;
mod process;

pub(crate) use self::process::{child_processes, send_signal_to_all};
pub use self::{
    database::{Database, query_text},
    link::Link,
    machine::Machine,
    port::Port,
    private_server::{PrivateServer, redis_command},
    process::{Process, run_as_server_user, runs_as_root, send_signal, server_folder},
};
