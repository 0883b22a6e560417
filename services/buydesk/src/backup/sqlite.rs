//! Backups of an SQLite file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, anyhow, ensure};
use common::{api::orders::OrderOrigin, paths::folder_of};
use db_proxy::{
    database::{Database, FileLock, files_beside},
    maintenance::{BackupFault, SqliteMaintenance, check_journal},
    names_file_of_real_orders,
};

use super::{
    MadeBackup, file, file::BackupFile, file_name, header::ContentKind, key::BackupKey, manifest::Manifest, new_header,
    private_folder::private_folder, report::Restored, target_fault,
};
use crate::client::ClientError;

const OWNER_ONLY_FILE: u32 = 0o600;

/// Backs up the database file to a new file in `folder`. A service may use the database during the backup.
pub async fn back_up(database: &Path, folder: &Path, key: BackupKey) -> anyhow::Result<MadeBackup> {
    let name = database.display();
    if !file::exists(database)? {
        let message = format!("The database file {name} does not exist.");
        return Err(ClientError::new("database_missing", message, "Set DATABASE_URL to the database.").into());
    }
    if !database.is_file() {
        let message = format!("{name} is not a file with a database.");
        return Err(ClientError::new("not_a_database", message, "Set DATABASE_URL to the database.").into());
    }
    // The copy is not encrypted, so it is stored in the folder of the database, and not in the folder of the backups.
    let copy = tempfile::Builder::new().prefix(".buydesk-backup-").tempfile_in(folder_of(database));
    let copy = copy.map_err(|error| target_fault::no_file_in(folder_of(database), &error))?;
    let mut source = SqliteMaintenance::open(database).await?;
    let copied = source.copy_into(database, copy.path()).await;
    source.close().await?;
    copied?;

    let mut copied = SqliteMaintenance::open(copy.path()).await?;
    copied.check_integrity().await.with_context(|| format!("the copy of {name} cannot be used"))?;
    let summary = copied.summary().await.map_err(|error| BackupFault::of_rows(&name.to_string(), None, &error))?;
    copied.close().await?;

    let source = fs::canonicalize(database)?.display().to_string();
    let header = new_header(ContentKind::Sqlite, source, &key);
    let path = folder.join(file_name(&header));
    let made = tokio::task::spawn_blocking(move || {
        let manifest = Manifest { summary, server: None };
        let written = file::write_new(&path, header.clone(), &key, |writer| {
            manifest.write(writer)?;
            io::copy(&mut BufReader::new(File::open(copy.path())?), writer)?;
            Ok(())
        })?;
        anyhow::Ok(MadeBackup { path, header, manifest, written })
    });
    made.await?
}

/// Restores a backup as the file `target`, which must not exist.
pub async fn restore(backup: &Path, target: &Path, key: BackupKey) -> anyhow::Result<Restored> {
    require_free(target)?;
    file::create_folder(folder_of(target))?;
    // The lock detects a process that still uses a deleted file of this name.
    let lock = FileLock::acquire(target).await?;
    let restored = restore_locked(backup, target, key).await;
    if restored.is_err() && !file::exists(target)? {
        lock.remove();
    }
    restored
}

/// [`restore`], while the lock of the target is held.
async fn restore_locked(backup: &Path, target: &Path, key: BackupKey) -> anyhow::Result<Restored> {
    let (name, folder) = (target.display(), folder_of(target));
    let work = private_folder(".buydesk-restore-").tempdir_in(folder);
    let work = work.map_err(|error| target_fault::no_file_in(folder, &error))?;
    let restored = work.path().join("restored.db");
    let manifest = {
        let (backup, restored) = (backup.to_owned(), restored.clone());
        let unpacked = tokio::task::spawn_blocking(move || unpack(&backup, &restored, &key));
        unpacked.await?.with_context(|| format!("{name} was not restored"))?
    };
    let mut connection = SqliteMaintenance::open(&restored).await?;
    connection.check_integrity().await?;
    let summary = connection.summary().await.map_err(|error| anyhow!(error.chain()))?;
    let origin = connection.origin().await.map_err(|error| anyhow!(error.chain()))?;
    connection.close().await?;
    if origin.is_some_and(OrderOrigin::is_simulated) && names_file_of_real_orders(&format!("sqlite:{name}")) {
        let message = format!(
            "{name} was not restored: the orders of the backup are simulated, and {name} is the file of real orders."
        );
        let next_step = "Name another file with --to, such as `--to database/data/demo.db` for the demo.";
        return Err(ClientError::new("simulated_orders", message, next_step).into());
    }
    ensure!(
        summary == manifest.summary,
        "{name} was not restored: the contents of the database differ from the summary in the backup"
    );
    let database = Database::open(&format!("sqlite:{}", restored.display())).await?;
    let journal = check_journal(&database).await;
    database.close().await;
    let journal = journal.map_err(|error| anyhow!(error.chain())).context("the journal cannot be checked")?;
    File::open(&restored)?.sync_all()?;
    // Files of another database may have been created in the meantime.
    require_free(target)?;
    file::place(&restored, target)?;
    Ok(Restored { summary, journal, server: None })
}

/// Writes the database of the backup to a new file.
fn unpack(backup: &Path, restored: &Path, key: &BackupKey) -> anyhow::Result<Manifest> {
    let (manifest, _) = BackupFile::open(backup)?.read(key, |reader| {
        let manifest = Manifest::read(reader)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY_FILE).open(restored)?;
        io::copy(reader, &mut file)?;
        Ok(manifest)
    })?;
    Ok(manifest)
}

/// Checks that neither the file nor a file that SQLite would create beside it exists.
fn require_free(target: &Path) -> anyhow::Result<()> {
    let name = target.display();
    ensure!(
        !file::exists(target)?,
        "{name} exists already, and a database is never overwritten; stop the product and move the file away, or restore to another \
         file with --to"
    );
    for path in files_beside(target) {
        ensure!(
            !file::exists(&path)?,
            "{} belongs to another database of the name {name}; move it away",
            path.display()
        );
    }
    Ok(())
}
