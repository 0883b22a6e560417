//! A machine of a cluster: processes that fail together.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use super::process::{Process, ProcessUser, change_owner, folder_for, send_signal_to_all, server_user};
use crate::wait_until;

const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A folder, and all processes whose working directory is in it. The processes are killed when this value is dropped.
pub struct Machine {
    folder: TempDir,
    user: Option<ProcessUser>,
    started: Vec<Process>,
}

impl Machine {
    pub fn new() -> Self {
        let user = server_user();
        Self { folder: folder_for(user), user, started: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that the user of the processes owns, and returns its path.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).unwrap();
        change_owner(&path, self.user);
        path
    }

    /// Starts a program. The program may start processes that run longer than itself.
    pub fn start(&mut self, program: &Path, arguments: &[&str]) {
        let env = [("LC_ALL", "C"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", self.path().to_str().unwrap())];
        self.started.push(Process::start(program, arguments, env, self.folder.path(), self.user));
    }

    /// Asserts that every program that was started is running. Panics with the log of a program that has exited.
    pub fn assert_running(&mut self) {
        for process in &mut self.started {
            if let Some(status) = process.exit_status() {
                panic!("a program of the cluster exited: {status}\n{}", process.log_tail());
            }
        }
    }

    /// Kills every process, without a clean shutdown.
    pub async fn kill(&mut self) {
        wait_until("the processes of the machine end", KILL_LIMIT, async || {
            // A process may start another process before it is killed.
            let processes = self.processes();
            send_signal_to_all("KILL", &processes);
            processes.is_empty().then_some(())
        })
        .await;
        self.started.clear();
    }

    /// Suspends every process. Connections stay open, and no process responds until [`Machine::thaw`].
    pub fn freeze(&self) {
        // A process may start another process before it is suspended.
        for _ in 0..3 {
            send_signal_to_all("STOP", &self.processes());
        }
    }

    pub fn thaw(&self) {
        send_signal_to_all("CONT", &self.processes());
    }

    fn processes(&self) -> Vec<u32> {
        let is_here = |id: &u32| {
            std::fs::read_link(format!("/proc/{id}/cwd")).is_ok_and(|folder| folder.starts_with(self.folder.path()))
        };
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_here).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Suspends the processes first, so that none of them starts another process.
        self.freeze();
        send_signal_to_all("KILL", &self.processes());
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}
