//! PostgreSQL and Redis of a test's own, that can be stopped, frozen and started again.

use std::{os::unix::fs::chown, path::PathBuf, process::Command, time::Duration};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    port::Port,
    process::{Process, server_user},
};
use crate::{environment::required_variable, wait_until};

const START_LIMIT: Duration = Duration::from_secs(30);
const NO_VARIABLES: [(&str, &str); 1] = [("LC_ALL", "C")];

/// A server of a test's own. It keeps its port and its data over a restart.
pub struct PrivateServer {
    kind: Kind,
    program: PathBuf,
    arguments: Vec<String>,
    port: Port,
    user: Option<(u32, u32)>,
    folder: TempDir,
    process: Option<Process>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Redis,
}

impl PrivateServer {
    /// PostgreSQL that waits for its disk, as in earnest.
    pub async fn postgres() -> Self {
        let (programs, user) = (PathBuf::from(required_variable("TEST_POSTGRES_BIN")), server_user());
        let (folder, port) = (folder_of(user), Port::lease());
        let data = folder.path().join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "--auth", "trust", "-E", "UTF8", "--locale", "C"]);
        initdb.args(["--no-sync", "--no-instructions"]).current_dir(folder.path());
        if let Some((user, group)) = user {
            use std::os::unix::process::CommandExt;
            initdb.uid(user).gid(group);
        }
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let data = data.to_str().unwrap().to_owned();
        let number = port.number.to_string();
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=60"];
        let arguments = ["-D".to_owned(), data, "-p".to_owned(), number].into_iter();
        let arguments = arguments.chain(settings.into_iter().flat_map(|s| ["-c".to_owned(), s.to_owned()])).collect();
        let program = programs.join("postgres");
        Self { kind: Kind::Postgres, program, arguments, port, user, folder, process: None }.started().await
    }

    /// Redis that keeps nothing over a restart.
    pub async fn redis() -> Self {
        let (program, user) = (PathBuf::from(required_variable("TEST_REDIS_SERVER")), server_user());
        let (folder, port) = (folder_of(user), Port::lease());
        let number = port.number.to_string();
        let arguments = ["--bind", "127.0.0.1", "--port", &number, "--save", "", "--appendonly", "no"];
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        Self { kind: Kind::Redis, program, arguments, port, user, folder, process: None }.started().await
    }

    async fn started(mut self) -> Self {
        self.start().await;
        self
    }

    pub fn url(&self) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@{}/postgres", self.port.address()),
            Kind::Redis => format!("redis://{}", self.port.address()),
        }
    }

    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Starts, and returns when the server answers.
    pub async fn start(&mut self) {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let process = Process::start(&self.program, &arguments, NO_VARIABLES, self.folder.path(), self.user);
        let process = self.process.insert(process);
        let (kind, url, address) =
            (self.kind, format!("postgres://postgres@{}/postgres", self.port.address()), self.port.address());
        wait_until("a server of the test's own answers", START_LIMIT, async || {
            if let Some(status) = process.has_ended() {
                panic!("the server ended: {status}\n{}", process.log());
            }
            match kind {
                Kind::Postgres => PgConnection::connect(&url).await.ok()?.close().await.ok(),
                Kind::Redis => ping(&address).await.ok().filter(|answers| *answers).map(|_| ()),
            }
        })
        .await;
    }

    /// Stops at once, with no time to finish anything, as a machine that loses its power.
    pub async fn stop(&mut self) {
        let process = self.process.take().expect("the server runs");
        // PostgreSQL calls it an immediate shutdown; it ends its children too, which a kill would not.
        process.end(if self.kind == Kind::Postgres { "QUIT" } else { "KILL" }).await;
    }

    /// Lets it stand still: its connections stay open and nothing answers on them.
    pub fn freeze(&self) {
        self.process.as_ref().expect("the server runs").signal_all("STOP");
    }

    pub fn thaw(&self) {
        self.process.as_ref().expect("the server runs").signal_all("CONT");
    }
}

async fn ping(address: &str) -> std::io::Result<bool> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await?;
    Ok(&answer == b"+PONG")
}

/// A folder that the server's user may write to.
fn folder_of(user: Option<(u32, u32)>) -> TempDir {
    let folder = TempDir::new().unwrap();
    if let Some((user, group)) = user {
        chown(folder.path(), Some(user), Some(group)).unwrap();
    }
    folder
}
