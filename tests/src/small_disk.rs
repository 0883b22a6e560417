//! A disk that a test fills and frees: a tmpfs that one process mounts in its own namespace. The mount needs no
//! privileges.

use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// A disk of `mib` MiB, and the folder where the process mounts it.
pub struct SmallDisk {
    mount_point: TempDir,
    mib: u32,
}

impl SmallDisk {
    pub fn new(mib: u32) -> Self {
        Self { mount_point: TempDir::new().unwrap(), mib }
    }

    pub fn path(&self) -> &Path {
        self.mount_point.path()
    }

    /// A prefix for a command. The prefix mounts the disk and then executes the command.
    pub fn launcher(&self) -> Vec<String> {
        let mount =
            format!("mount -t tmpfs -o size={}m tmpfs '{}' && exec \"$0\" \"$@\"", self.mib, self.path().display());
        ["/usr/bin/unshare", "--user", "--map-root-user", "--mount", "/bin/sh", "-c", &mount].map(str::to_owned).into()
    }

    /// Writes a file until the disk of this process is full.
    pub fn fill(&self, process: u32) -> DiskFiller {
        let filler = DiskFiller { process, path: self.path_seen_from_outside(process).join("filler") };
        let output = filler.run("cat /dev/zero > \"$0\"");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains("No space left"), "{message}");
        filler
    }

    /// The path of the disk for other processes. The mount itself exists only in the namespace of the process.
    fn path_seen_from_outside(&self, process: u32) -> PathBuf {
        Path::new(&format!("/proc/{process}/root")).join(self.path().strip_prefix("/").unwrap())
    }
}

/// A file that fills the disk. Dropping this value deletes the file.
pub struct DiskFiller {
    process: u32,
    path: PathBuf,
}

impl DiskFiller {
    /// Runs a shell command in which `$0` is the path of the file. The command runs as the user of the process, because
    /// no other user exists in the namespace.
    fn run(&self, command: &str) -> Output {
        let user = std::fs::metadata(format!("/proc/{}", self.process)).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).arg(&self.path).env("LC_ALL", "C").uid(user.uid()).gid(user.gid());
        shell.output().unwrap()
    }
}

impl Drop for DiskFiller {
    fn drop(&mut self) {
        let output = self.run("rm \"$0\"");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
