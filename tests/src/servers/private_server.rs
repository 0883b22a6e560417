//! PostgreSQL and Redis servers that belong to one test. The test may stop, freeze and restart them.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    port::Port,
    process::{Process, ProcessUser, folder_for, server_user},
};
use crate::{environment::required_variable, small_disk::SmallDisk, wait_until};

const START_LIMIT: Duration = Duration::from_secs(30);
const ENVIRONMENT: [(&str, &str); 1] = [("LC_ALL", "C")];

/// A server of one test. It keeps its port and its folder when it restarts.
pub struct PrivateServer {
    kind: Kind,
    /// The program and its arguments.
    command: Vec<String>,
    /// The name of the PostgreSQL database in the URL.
    database: &'static str,
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
        Self::new_postgres(Vec::new()).started().await
    }

    /// Like [`PrivateServer::postgres`], with these settings of the form `name=value`.
    pub async fn postgres_with_settings(settings: &[String]) -> Self {
        let mut server = Self::new_postgres(Vec::new());
        server.command.extend(settings.iter().flat_map(|setting| ["-c".to_owned(), setting.clone()]));
        server.started().await
    }

    /// Starts PostgreSQL with durable commits in a data folder that exists.
    pub async fn postgres_in(data: &Path) -> Self {
        let user = server_user();
        Self::postgres_command(Vec::new(), data, folder_for(user), user).started().await
    }

    /// Starts PostgreSQL with a database on this disk. The write-ahead log is on another disk.
    pub async fn postgres_with_disk(disk: &SmallDisk) -> Self {
        const DATABASE: &str = "on_small_disk";
        let mut launcher = disk.launcher();
        // PostgreSQL refuses to run as root. After the mount, the process is root until this second `unshare` changes
        // its user.
        launcher.extend(["/usr/bin/unshare", "--user", "--map-user=1000", "--map-group=1000", "--"].map(str::to_owned));
        let mut server = Self::new_postgres(launcher).started().await;
        let mut connection = PgConnection::connect(&server.url()).await.unwrap();
        let tablespace = format!("create tablespace small location '{}'", disk.path().display());
        connection.execute(AssertSqlSafe(tablespace)).await.unwrap();
        let database = format!("create database {DATABASE} tablespace small");
        connection.execute(AssertSqlSafe(database)).await.unwrap();
        connection.close().await.unwrap();
        server.database = DATABASE;
        server
    }

    fn new_postgres(command: Vec<String>) -> Self {
        let (programs, user) = (PathBuf::from(required_variable("TEST_POSTGRES_BIN")), server_user());
        let folder = folder_for(user);
        let data = folder.path().join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "--auth", "trust", "-E", "UTF8", "--locale", "C"]);
        initdb.args(["--no-sync", "--no-instructions"]).current_dir(folder.path());
        if let Some(ProcessUser { uid, gid }) = user {
            initdb.uid(uid).gid(gid);
        }
        let output = initdb.output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        Self::postgres_command(command, &data, folder, user)
    }

    /// A server that is not started yet. `command` precedes the program.
    fn postgres_command(mut command: Vec<String>, data: &Path, folder: TempDir, user: Option<ProcessUser>) -> Self {
        let (programs, port) = (PathBuf::from(required_variable("TEST_POSTGRES_BIN")), Port::reserve());
        let data = data.to_str().unwrap().to_owned();
        let number = port.number.to_string();
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=60"];
        let program = programs.join("postgres").to_str().unwrap().to_owned();
        command.extend([program, "-D".to_owned(), data, "-p".to_owned(), number]);
        command.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
        Self { kind: Kind::Postgres, command, database: "postgres", port, user, folder, process: None }
    }

    /// Starts Redis without persistence: a restart empties it.
    pub async fn redis() -> Self {
        let (program, user) = (required_variable("TEST_REDIS_SERVER"), server_user());
        let (folder, port) = (folder_for(user), Port::reserve());
        let number = port.number.to_string();
        let command = [&program, "--bind", "127.0.0.1", "--port", &number, "--save", "", "--appendonly", "no"];
        let command = command.map(str::to_owned).into();
        Self { kind: Kind::Redis, command, database: "", port, user, folder, process: None }.started().await
    }

    async fn started(mut self) -> Self {
        self.start().await;
        self
    }

    /// The value for `DATABASE_URL` or `REDIS_URL`.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@{}/{}", self.port.address(), self.database),
            Kind::Redis => format!("redis://{}", self.port.address()),
        }
    }

    pub fn address(&self) -> String {
        self.port.address()
    }

    /// The id of the process that was started.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the private server is running").id()
    }

    /// Changes a setting of the running Redis.
    pub async fn configure_redis(&self, setting: &str, value: &str) {
        let reply = self.redis_command(&["CONFIG", "SET", setting, value]).await;
        assert_eq!(reply, "+OK", "CONFIG SET {setting} {value}");
    }

    /// Starts the server and returns when it answers.
    pub async fn start(&mut self) {
        let (kind, url, address) = (self.kind, self.url(), self.address());
        let command: Vec<_> = self.command.iter().map(String::as_str).collect();
        let process = Process::start(Path::new(command[0]), &command[1..], ENVIRONMENT, self.folder.path(), self.user);
        let process = self.process.insert(process);
        wait_until("the private server answers", START_LIMIT, async || {
            if let Some(status) = process.exit_status() {
                panic!("the private server exited: {status}\n{}", process.log_tail());
            }
            match kind {
                Kind::Postgres => PgConnection::connect(&url).await.ok()?.close().await.ok(),
                Kind::Redis => ping_redis(&address).await.ok().filter(|answers| *answers).map(|_| ()),
            }
        })
        .await;
    }

    /// Stops the server immediately, without a clean shutdown.
    pub async fn stop(&mut self) {
        let process = self.process.take().expect("the private server is running");
        // SIGQUIT is PostgreSQL's immediate shutdown: unlike SIGKILL it also ends the child processes.
        process.end(if self.kind == Kind::Postgres { "QUIT" } else { "KILL" }).await;
    }

    /// Sends a command to this Redis server; see [`redis_command`].
    pub async fn redis_command(&self, words: &[&str]) -> String {
        redis_command(&self.address(), words).await.unwrap()
    }

    /// Suspends the server. Its connections stay open, and it does not respond until [`PrivateServer::thaw`].
    pub fn freeze(&self) {
        self.process.as_ref().expect("the private server is running").signal_all("STOP");
    }

    pub fn thaw(&self) {
        self.process.as_ref().expect("the private server is running").signal_all("CONT");
    }
}

async fn ping_redis(address: &str) -> std::io::Result<bool> {
    Ok(redis_command(address, &["PING"]).await? == "+PONG")
}

/// Sends a command on a new connection. Returns the text of the reply if the reply is a bulk string, and its first line
/// otherwise.
pub async fn redis_command(address: &str, words: &[&str]) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let count = words.len();
    let words: Vec<_> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    stream.write_all(format!("*{count}\r\n{}", words.concat()).as_bytes()).await?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
    let Some(length) = line.strip_prefix('$').and_then(|length| length.parse().ok()) else { return Ok(line) };
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
