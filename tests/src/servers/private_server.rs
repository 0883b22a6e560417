//! PostgreSQL and Redis servers for one test, which may stop, freeze and restart them.

use std::{
    os::unix::{fs::chown, process::CommandExt},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    port::Port,
    process::{Process, ProcessUser, server_user},
};
use crate::{environment::required_variable, wait_until};

const START_LIMIT: Duration = Duration::from_secs(30);
const ENVIRONMENT: [(&str, &str); 1] = [("LC_ALL", "C")];

/// A server of one test. It keeps its port and its folder over a restart.
pub struct PrivateServer {
    kind: Kind,
    program: PathBuf,
    arguments: Vec<String>,
    port: Port,
    user: Option<ProcessUser>,
    folder: TempDir,
    process: Option<Process>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Redis,
}

impl PrivateServer {
    /// Starts PostgreSQL with durable commits.
    pub async fn postgres() -> Self {
        let (programs, user) = (PathBuf::from(required_variable("TEST_POSTGRES_BIN")), server_user());
        let (folder, port) = (folder_for(user), Port::lease());
        let data = folder.path().join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "--auth", "trust", "-E", "UTF8", "--locale", "C"]);
        initdb.args(["--no-sync", "--no-instructions"]).current_dir(folder.path());
        if let Some(ProcessUser { uid, gid }) = user {
            initdb.uid(uid).gid(gid);
        }
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let data = data.to_str().unwrap().to_owned();
        let number = port.number.to_string();
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=60"];
        let arguments = ["-D".to_owned(), data, "-p".to_owned(), number].into_iter();
        let arguments = arguments.chain(settings.into_iter().flat_map(|s| ["-c".to_owned(), s.to_owned()])).collect();
        let program = programs.join("postgres");
        Self { kind: Kind::Postgres, program, arguments, port, user, folder, process: None }.started().await
    }

    /// Starts Redis without persistence: a restart empties it.
    pub async fn redis() -> Self {
        let (program, user) = (PathBuf::from(required_variable("TEST_REDIS_SERVER")), server_user());
        let (folder, port) = (folder_for(user), Port::lease());
        let number = port.number.to_string();
        let arguments = ["--bind", "127.0.0.1", "--port", &number, "--save", "", "--appendonly", "no"];
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        Self { kind: Kind::Redis, program, arguments, port, user, folder, process: None }.started().await
    }

    async fn started(mut self) -> Self {
        self.start().await;
        self
    }

    /// The value for `DATABASE_URL` or `REDIS_URL`.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@{}/postgres", self.port.address()),
            Kind::Redis => format!("redis://{}", self.port.address()),
        }
    }

    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Starts the server and returns when it answers.
    pub async fn start(&mut self) {
        let (kind, url, address) = (self.kind, self.url(), self.address());
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        let process = Process::start(&self.program, &arguments, ENVIRONMENT, self.folder.path(), self.user);
        let process = self.process.insert(process);
        wait_until("the private server answers", START_LIMIT, async || {
            if let Some(status) = process.exit_status() {
                panic!("the private server ended: {status}\n{}", process.log_tail());
            }
            match kind {
                Kind::Postgres => PgConnection::connect(&url).await.ok()?.close().await.ok(),
                Kind::Redis => ping_redis(&address).await.ok().filter(|answers| *answers).map(|_| ()),
            }
        })
        .await;
    }

    /// Stops the server at once, without a clean shutdown, as a power failure does.
    pub async fn stop(&mut self) {
        let process = self.process.take().expect("the private server is running");
        // SIGQUIT is PostgreSQL's immediate shutdown: unlike SIGKILL it also ends the child processes.
        process.end(if self.kind == Kind::Postgres { "QUIT" } else { "KILL" }).await;
    }

    /// Suspends the server: its connections stay open, and it answers nothing until [`PrivateServer::thaw`].
    pub fn freeze(&self) {
        self.process.as_ref().expect("the private server is running").signal_all("STOP");
    }

    pub fn thaw(&self) {
        self.process.as_ref().expect("the private server is running").signal_all("CONT");
    }
}

async fn ping_redis(address: &str) -> std::io::Result<bool> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).await?;
    Ok(&reply == b"+PONG")
}

/// A temporary folder that the server's user owns.
fn folder_for(user: Option<ProcessUser>) -> TempDir {
    let folder = TempDir::new().unwrap();
    if let Some(ProcessUser { uid, gid }) = user {
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    folder
}
