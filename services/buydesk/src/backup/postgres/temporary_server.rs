//! A server that is started to complete a recovery and to check the database. Other users cannot connect, because the
//! socket of the server is in a folder that only its owner can enter.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use common::time::Timestamp;
use db_proxy::maintenance::{PostgresMaintenance, PostgresServer, is_starting};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;
use url::Url;

use super::{
    LogSource,
    programs::ServerPrograms,
    recovery_fault::{RecoveryFault, end_of_log},
};
use crate::{backup::private_folder::private_folder, program};

/// The time between two attempts to connect, and between two checks whether the server has exited. A recovery can take
/// hours, so it has no time limit.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const PORT: &str = "5432";
/// These settings replace the settings of the server that was backed up. With `hot_standby=off`, the recovery does not
/// require settings as large as those of the primary, such as `max_connections`. With `archive_mode=off`, the server
/// does not write to the archive of another server.
const SETTINGS: [&str; 10] = [
    "listen_addresses=",
    "hot_standby=off",
    "archive_mode=off",
    "logging_collector=off",
    "log_destination=stderr",
    "log_min_messages=warning",
    "ssl=off",
    "shared_preload_libraries=",
    "synchronous_standby_names=",
    "recovery_target_timeline=latest",
];

/// A running server. Dropping this value stops the server immediately.
pub struct TemporaryServer {
    child: Child,
    /// Contains the socket, the configuration and the messages of the server.
    folder: TempDir,
    url: String,
}

impl TemporaryServer {
    /// Starts a server in the data folder, and waits until the server has applied the write-ahead log. Returns the server and a
    /// connection. Fails with [`RecoveryFault`] if the server ends before.
    pub async fn start(
        programs: &ServerPrograms,
        data: &Path,
        server: &PostgresServer,
        log: &LogSource,
    ) -> anyhow::Result<(Self, PostgresMaintenance)> {
        // The path of a socket has at most 107 bytes, so the folder is not below the data folder.
        let folder = private_folder("buydesk-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::write(path("postgresql.conf"), "")?;
        fs::write(path("pg_ident.conf"), "")?;
        fs::write(path("pg_hba.conf"), "local all all trust\n")?;
        let mut command = Command::new(&programs.postgres);
        command.arg("-D").arg(data);
        let mut set = |setting: String| {
            command.arg("-c").arg(setting);
        };
        for setting in SETTINGS {
            set(setting.to_owned());
        }
        for (setting, name) in
            [("config_file", "postgresql.conf"), ("hba_file", "pg_hba.conf"), ("ident_file", "pg_ident.conf")]
        {
            set(format!("{setting}={}", path(name).display()));
        }
        set(format!("port={PORT}"));
        set(format!("unix_socket_directories={}", folder.path().display()));
        if let LogSource::Archive { folder, key_file, until } = log {
            fs::write(data.join("recovery.signal"), "")?;
            set(format!("restore_command={}", restore_command(folder, key_file)?));
            set("recovery_target_action=promote".to_owned());
            for setting in ["recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_xid"] {
                set(format!("{setting}="));
            }
            set(format!("recovery_target_time={}", until.map(target_time).unwrap_or_default()));
        }
        let output = File::create(path("log"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).current_dir(folder.path());
        let child = command.env("LC_MESSAGES", "C").spawn();
        let child = child.with_context(|| format!("{} cannot be started", programs.postgres.display()))?;
        let url = socket_url(folder.path(), server)?;
        let mut running = Self { child, folder, url };
        let maintenance = running.wait_until_recovered().await?;
        Ok((running, maintenance))
    }

    async fn wait_until_recovered(&mut self) -> anyhow::Result<PostgresMaintenance> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(RecoveryFault { status: status.to_string(), log: self.log() }.into());
            }
            match PostgresMaintenance::connect(&self.url).await {
                Ok(maintenance) => return Ok(maintenance),
                Err(error) if is_starting(&error) => sleep(POLL_INTERVAL).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// The value for `DATABASE_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server cleanly.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        // SIGINT is the fast shutdown: it ends connections, and writes a checkpoint.
        self.signal(Signal::INT)?;
        let status = self.wait().await?;
        if !status.success() {
            bail!("the restored server did not stop cleanly: it ended with {status}: {}", end_of_log(&self.log()));
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("the server has no process id")?;
        Ok(kill_process(id, signal)?)
    }

    async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None => sleep(POLL_INTERVAL).await,
            }
        }
    }

    fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for TemporaryServer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // SIGQUIT is the immediate shutdown, which also ends the child processes.
            let _ = self.signal(Signal::QUIT);
            let _ = self.child.wait();
        }
    }
}

/// The time in the format of `recovery_target_time`, which does not accept the letter Z of RFC 3339.
fn target_time(time: Timestamp) -> String {
    time.to_datetime().format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

/// The command with which the server fetches a file of the archive.
fn restore_command(folder: &Path, key_file: &Path) -> anyhow::Result<String> {
    let quote = |path: &Path| -> anyhow::Result<String> {
        let absolute = std::path::absolute(path)?;
        let text = absolute.to_str().with_context(|| format!("the path {} is not UTF-8", absolute.display()))?;
        // The server replaces %f and %p in the command, so a percent sign in a path is doubled.
        Ok(program::quote(text).replace('%', "%%"))
    };
    let program = quote(&std::env::current_exe()?)?;
    let (folder, key_file) = (quote(folder)?, quote(key_file)?);
    Ok(format!("{program} backup fetch-wal --from {folder} --key-file {key_file} %f %p"))
}

fn socket_url(folder: &Path, PostgresServer { database, role, .. }: &PostgresServer) -> anyhow::Result<String> {
    let mut url = Url::parse("postgres:///")?;
    url.set_path(database);
    let socket = folder.display().to_string();
    url.query_pairs_mut().append_pair("host", &socket).append_pair("port", PORT).append_pair("user", role);
    Ok(url.to_string())
}
