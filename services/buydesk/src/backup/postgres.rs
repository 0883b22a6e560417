//! Backups of a PostgreSQL server, and its recovery.

mod base_backup;
mod programs;
mod recovery;
mod recovery_fault;
mod temporary_server;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, ensure};
use common::{api::Code, error_chain::format_chain, paths::folder_of, time::Timestamp};
use db_proxy::{
    database::{Database, DatabaseError, shown_url},
    maintenance::{BackupFault, PostgresMaintenance, check_journal},
};

use self::{
    base_backup::BaseBackup, recovery::unpack, recovery_fault::recovery_error, temporary_server::TemporaryServer,
};
use super::{
    MadeBackup, as_sentence, file, file_name,
    header::ContentKind,
    key::BackupKey,
    manifest::Manifest,
    new_header,
    private_folder::private_folder,
    report::{Restored, RestoredServer, RestoredState},
};
use crate::client::ClientError;

/// Backs up the server of the database to a new file in `folder`. Services can use the database during the backup.
pub async fn back_up(url: &str, folder: &Path, key: BackupKey) -> anyhow::Result<MadeBackup> {
    let mut maintenance = PostgresMaintenance::connect(url).await.map_err(|error| connect_error(&error))?;
    let database = shown_url(url);
    let server = maintenance.server().await.map_err(DatabaseError::from);
    let server = server.map_err(|error| BackupFault::of_rows(&database, None, &error))?;
    let role = &server.role;
    let summary = maintenance.summary().await.map_err(|error| BackupFault::of_rows(&database, Some(role), &error))?;
    maintenance.reserve_log(role).await?;
    let base_backup = BaseBackup::of(maintenance.url(), server.major_version())?;
    let source = format!("server {}, database {}", server.system_identifier, server.database);
    let header = new_header(ContentKind::Postgresql, source, &key);
    let path = folder.join(file_name(&header));
    let made = tokio::task::spawn_blocking(move || {
        let manifest = Manifest { summary, server: Some(server) };
        let written = file::write_new(&path, header.clone(), &key, |writer| {
            manifest.write(writer)?;
            base_backup.write(writer)
        })?;
        anyhow::Ok(MadeBackup { path, header, manifest, written })
    });
    let made = made.await?;
    // The connection stays open during the backup, so that the server keeps its write-ahead log.
    maintenance.close().await?;
    made
}

/// The error of a backup of a server that does not accept a connection.
fn connect_error(error: &anyhow::Error) -> ClientError {
    let message = as_sentence(&format_chain(error.as_ref()));
    let next_step = "Start the server, or correct DATABASE_URL. docs/backups.md describes the role that a backup of PostgreSQL needs.";
    ClientError::new(Code::DatabaseUnavailable.as_str(), message, next_step)
}

/// The part of the write-ahead log that is applied to a base backup.
#[derive(Debug, Clone)]
pub enum LogSource {
    /// Only the part in the base backup.
    Backup,
    /// The archive in this folder, up to the time `until` if there is one. `key_file` decrypts the archive.
    Archive { folder: PathBuf, key_file: PathBuf, until: Option<Timestamp> },
}

/// Restores a backup as the data folder `target`, which must be empty or must not exist. Completes the recovery of the server,
/// and stops the server.
pub async fn restore(backup: &Path, target: &Path, log: LogSource, key: BackupKey) -> anyhow::Result<Restored> {
    let name = target.display();
    ensure!(
        !rustix::process::geteuid().is_root(),
        "PostgreSQL does not run as root, so this command cannot either; run it as the user of the server, for example with `sudo -u \
         postgres`"
    );
    require_empty(target)?;
    check_log(backup, &log)?;
    let folder = folder_of(target);
    file::create_folder(folder)?;
    // The folder is renamed to its final name after the server has completed its recovery.
    let work = private_folder(".buydesk-restore-").tempdir_in(folder);
    let work = work.with_context(|| format!("no folder can be created in {}", folder.display()))?;
    let data = fs::canonicalize(work.path())?.join("data");
    let (manifest, programs) = {
        let (backup, data) = (backup.to_owned(), data.clone());
        let unpacked = tokio::task::spawn_blocking(move || unpack(&backup, &data, &key));
        unpacked.await?.with_context(|| format!("{name} was not restored"))?
    };
    let server = manifest.server.as_ref().context("the backup does not name its server")?;
    let (running, mut maintenance) = TemporaryServer::start(&programs, &data, server, &log)
        .await
        .map_err(|error| recovery_error(error, target, &log))?;
    let restored = async {
        let summary = maintenance.summary().await.map_err(|error| anyhow!(error.chain()))?;
        let database = Database::open(running.url()).await?;
        let journal = check_journal(&database).await;
        database.close().await;
        Ok((summary, journal.map_err(|error| anyhow!(error.chain())).context("the journal cannot be checked")?))
    };
    let restored: anyhow::Result<_> = restored.await;
    maintenance.close().await?;
    running.stop().await?;
    let (summary, journal) = restored?;
    ensure!(
        summary.is_after(&manifest.summary),
        "{name} was not restored: the restored database has fewer rows than the backup states"
    );
    replace_empty(&data, target)?;
    let state = match log {
        LogSource::Archive { until: Some(time), .. } => RestoredState::Time(time),
        LogSource::Archive { until: None, .. } => RestoredState::Archive,
        LogSource::Backup => RestoredState::Backup,
    };
    let server = RestoredServer { version: server.major_version(), state };
    Ok(Restored { summary, journal, server: Some(server) })
}

/// Checks, before the backup is unpacked, that the archive exists and that the requested time is later than the backup.
fn check_log(backup: &Path, log: &LogSource) -> anyhow::Result<()> {
    let LogSource::Archive { folder, until, .. } = log else { return Ok(()) };
    ensure!(
        folder.is_dir(),
        "the archive of the write-ahead log {} does not exist; set BACKUP_WAL_DIR or --wal-from, or restore the backup alone with --no-wal",
        folder.display()
    );
    let made_at = file::BackupFile::open(backup)?.header().created_at;
    if let Some(until) = until {
        ensure!(
            *until > made_at,
            "the backup was made at {made_at}, which is after {until}; --to-time must be later than the backup, so use an earlier backup"
        );
    }
    Ok(())
}

fn require_empty(target: &Path) -> anyhow::Result<()> {
    if !file::exists(target)? {
        return Ok(());
    }
    let name = target.display();
    let entries = fs::read_dir(target).with_context(|| format!("{name} is not a folder that can be read"))?;
    ensure!(
        entries.count() == 0,
        "the folder {name} is not empty, and a data folder is never overwritten; stop its server and move it away, or restore to another \
         folder with --to"
    );
    Ok(())
}

/// Renames the folder `data` to `target`, which is an empty folder or does not exist.
fn replace_empty(data: &Path, target: &Path) -> anyhow::Result<()> {
    require_empty(target)?;
    if file::exists(target)? {
        fs::remove_dir(target).with_context(|| {
            format!("{} cannot be replaced; if it is a mount point, restore to a new folder in it", target.display())
        })?;
    }
    file::place(data, target)
}
