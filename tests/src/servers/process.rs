//! Child processes: the service binaries, and the private servers of a test.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{environment::required_variable, wait_until};

const LOG_TAIL_BYTES: usize = 4000;
/// Maximum time that a process may take to exit. A service drains connections for up to 6 s and sends its last reports
/// for up to 1 s.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The user that a process runs as.
#[derive(Debug, Clone, Copy)]
pub struct ProcessUser {
    pub uid: u32,
    pub gid: u32,
}

/// A child process that is killed when this value is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in `folder`, with only the variables of `env`. Its output goes to a log file in `folder`.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        env: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
        folder: &Path,
        user: Option<ProcessUser>,
    ) -> Self {
        let name = program.file_name().unwrap().to_str().unwrap();
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(program);
        // tests/run finds the processes of a killed test by their working directory.
        command.args(arguments).env_clear().envs(env).current_dir(folder).stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output);
        if let Some(ProcessUser { uid, gid }) = user {
            command.uid(uid).gid(gid);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { child, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }

    /// The exit status. `None` while the process runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends the signal and waits until the process exits.
    pub async fn end(mut self, signal: &str) -> ExitStatus {
        send_signal(signal, &[self.id()]);
        wait_until("the process ends", STOP_LIMIT, async || self.exit_status()).await
    }

    /// Sends the signal to the process and to its child processes.
    pub fn signal_all(&self, signal: &str) {
        let mut processes = child_processes(self.id());
        processes.insert(0, self.id());
        send_signal(signal, &processes);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the end of {}:\n{}", self.log.display(), self.log_tail());
        }
        if self.exit_status().is_none() {
            // Suspended child processes do not notice that their parent has exited, so they are killed too.
            let children = child_processes(self.id());
            let _ = self.child.kill();
            let _ = self.child.wait();
            if !children.is_empty() {
                try_send_signal("KILL", &children);
            }
        }
    }
}

/// Sends the signal to all of these processes that still run.
pub(crate) fn send_signal_to_all(signal: &str, processes: &[u32]) {
    if !processes.is_empty() {
        try_send_signal(signal, processes);
    }
}

/// A temporary folder that `user` owns. `None` means the user of the tests.
pub(super) fn folder_for(user: Option<ProcessUser>) -> TempDir {
    let folder = TempDir::new().unwrap();
    change_owner(folder.path(), user);
    folder
}

/// A temporary folder of the user that private servers run as.
pub fn server_folder() -> TempDir {
    folder_for(server_user())
}

/// Runs a program in `folder` until it exits. It runs as the user of the private servers, with only these variables.
pub fn run_as_server_user(
    program: &Path,
    arguments: &[&str],
    variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    folder: &Path,
) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables).current_dir(folder).stdin(Stdio::null());
    if let Some(ProcessUser { uid, gid }) = server_user() {
        command.uid(uid).gid(gid);
    }
    command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

/// Makes `user` the owner of a file or folder. `None` does not change the owner.
pub(super) fn change_owner(path: &Path, user: Option<ProcessUser>) {
    if let Some(ProcessUser { uid, gid }) = user {
        chown(path, Some(uid), Some(gid)).unwrap();
    }
}

pub fn send_signal(signal: &str, processes: &[u32]) {
    assert!(try_send_signal(signal, processes), "SIG{signal} cannot be sent to {processes:?}");
}

fn try_send_signal(signal: &str, processes: &[u32]) -> bool {
    let ids = processes.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    // `kill` is a builtin of the shell. Not every machine has a program of this name.
    let script = format!("kill -{signal} {ids} 2>/dev/null");
    Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success())
}

pub(crate) fn child_processes(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_child = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The command name in parentheses may contain any character. The state and the parent's id follow after the
        // name.
        let after_name = stat.rsplit_once(')').map_or("", |(_, after)| after);
        after_name.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    ids.filter(is_child).collect()
}

/// Whether the tests run as root. Their private servers then run as another user.
pub fn runs_as_root() -> bool {
    server_user().is_some()
}

/// The user that private servers run as, from `TEST_SERVER_USER`. `None` if the variable is empty: private servers then
/// run as the user of the tests.
pub fn server_user() -> Option<ProcessUser> {
    let user = required_variable("TEST_SERVER_USER");
    let id = |flag: &str| {
        let output = Command::new("id").args([flag, &user]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().expect("TEST_SERVER_USER names an existing user")
    };
    (!user.is_empty()).then(|| ProcessUser { uid: id("-u"), gid: id("-g") })
}
