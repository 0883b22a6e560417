//! Unpacks and checks the files of a base backup.

use std::{
    io::{self, ErrorKind, Read},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use super::programs::{ServerPrograms, read_messages};
use crate::backup::{
    file::{self, BackupFile},
    key::BackupKey,
    manifest::Manifest,
};

/// Unpacks a base backup into the new folder `data`, and compares each file with the manifest of `pg_basebackup`.
pub fn unpack(backup: &Path, data: &Path, key: &BackupKey) -> anyhow::Result<(Manifest, ServerPrograms)> {
    let ((manifest, programs), _) = BackupFile::open(backup)?.read(key, |reader| {
        let manifest = Manifest::read(reader)?;
        let server = manifest.server.as_ref().context("it does not name its server")?;
        let programs = ServerPrograms::find(server.major_version())?;
        // PostgreSQL refuses a data folder that other users can read.
        file::create_folder(data)?;
        extract(reader, data)?;
        Ok((manifest, programs))
    })?;
    // The write-ahead log is not checked here, because PostgreSQL checks the log during the recovery.
    let mut verify = Command::new(&programs.verify_backup);
    verify.args(["--no-parse-wal", "--quiet"]).arg(data).env("LC_MESSAGES", "C").stdin(Stdio::null());
    let output = verify.output().context("pg_verifybackup cannot be started")?;
    ensure!(
        output.status.success(),
        "the files of the backup are not those of its manifest: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok((manifest, programs))
}

/// Extracts a tar file into a folder.
fn extract(reader: &mut dyn Read, data: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("tar");
    command.args(["--extract", "--file=-", "--same-permissions", "--no-same-owner", "--directory"]).arg(data);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.context("tar cannot be started; install the Debian package tar")?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let (Some(mut stdin), Some(stderr)) = (stdin, stderr) else { bail!("tar has no input") };
    let messages = read_messages(stderr);
    let copied = io::copy(reader, &mut stdin);
    drop(stdin);
    let status = child.wait()?;
    let messages = messages.join().unwrap_or_default();
    match copied {
        // A broken pipe means that tar exited early. The status and the messages of tar state why.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    ensure!(status.success(), "tar failed: {}", messages.trim());
    Ok(())
}
