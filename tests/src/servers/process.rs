//! Child processes: our own binaries, and servers of a test's own.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{environment::required_variable, wait_until};

const LOG_TAIL: usize = 4000;
/// Services drain for 6 s, and their last reports take 1 s.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A process that ends with this value, at the latest.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: std::path::PathBuf,
}

impl Process {
    /// Starts `program` in `folder`, with only the variables of `env` and its output in the file `log` there.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        env: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
        folder: &Path,
        user: Option<(u32, u32)>,
    ) -> Self {
        let name = program.file_name().unwrap().to_str().unwrap();
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(env).current_dir(folder).stdin(Stdio::null());
        // A folder below the one of the run, so that tests/run ends what a killed test leaves behind.
        command.stdout(output.try_clone().unwrap()).stderr(output);
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { child, log }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL)..]).into_owned()
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends the signal and waits for the end.
    pub async fn end(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        wait_until("a process ends", STOP_LIMIT, async || self.has_ended()).await
    }

    pub fn signal(&self, signal: &str) {
        send_signal(signal, &[self.id()]);
    }

    /// Sends the signal to the process and every process that it started.
    pub fn signal_all(&self, signal: &str) {
        let mut all = children(self.id());
        all.insert(0, self.id());
        send_signal(signal, &all);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the end of {}:\n{}", self.log.display(), self.log());
        }
        if self.has_ended().is_none() {
            // What stands still does not notice that its parent is gone.
            let all = children(self.id());
            let _ = self.child.kill();
            let _ = self.child.wait();
            if !all.is_empty() {
                try_signal("KILL", &all);
            }
        }
    }
}

fn send_signal(signal: &str, processes: &[u32]) {
    assert!(try_signal(signal, processes), "SIG{signal} cannot be sent to {processes:?}");
}

fn try_signal(signal: &str, processes: &[u32]) -> bool {
    let ids = processes.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    // The shell's own kill: the program is not on every machine.
    let script = format!("kill -{signal} {ids} 2>/dev/null");
    Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success())
}

fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of_parent = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // The name stands in brackets and may hold anything; then the state, then the parent.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        after.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    ids.filter(of_parent).collect()
}

/// The user that PostgreSQL is run as, which is nobody else where the tests are not run by root.
pub fn server_user() -> Option<(u32, u32)> {
    let user = required_variable("TEST_SERVER_USER");
    let id = |flag: &str| {
        let output = Command::new("id").args([flag, &user]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().expect("TEST_SERVER_USER is a user")
    };
    (!user.is_empty()).then(|| (id("-u"), id("-g")))
}
