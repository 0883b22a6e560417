//! `buydesk backup` and `buydesk restore`: encrypted backups of a PostgreSQL server or an SQLite database.
//!
//! `docs/backups.md` is the manual, and ADR 23 has the reasons. [`stream`] encrypts and decrypts, [`key`]
//! creates and reads the key, [`header`] and [`manifest`] describe a backup, and [`file`] writes and reads backup
//! files. [`sqlite`] and [`postgres`] back up and restore a database, [`wal`] archives and fetches the write-ahead log, and
//! [`report`] prints the results. [`settings`] reads the settings, [`file_fault`] describes unusable
//! files, and [`target_fault`] describes files that cannot be created.

mod file;
mod file_fault;
mod header;
mod key;
mod manifest;
mod postgres;
mod private_folder;
mod report;
mod settings;
mod sqlite;
mod stream;
mod target_fault;
mod wal;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::ensure;
use common::{config::Env, time::Timestamp};
use db_proxy::{database::sqlite_path, maintenance::BackupFault};
use serde_json::json;

use self::{
    file::{BackupFile, WrittenFile},
    header::{ContentKind, Header},
    key::BackupKey,
    manifest::Manifest,
    postgres::LogSource,
    report::{BackupReport, CheckReport, Limit},
    settings::Settings,
};
use crate::{
    cli::{BackupArgs, BackupCommand, RestoreArgs},
    client::{ClientError, print_line},
};

/// The exit code of `buydesk backup fetch-wal` after an error, for example if a file of the archive is damaged. With
/// this code, PostgreSQL stops. PostgreSQL interprets a code from 1 to 125 as the end of the archive.
pub const RECOVERY_MUST_STOP: u8 = 126;
/// The exit code of `buydesk backup fetch-wal` if the archive has no such file.
const NOT_IN_ARCHIVE: u8 = 1;

/// Runs `buydesk backup`.
pub async fn run_backup_command(env: Env, args: BackupArgs, json: bool) -> anyhow::Result<ExitCode> {
    let BackupArgs { to, key, command } = args;
    let Some(command) = command else {
        let made = back_up(Settings::of_database(env, key, to)?, json).await;
        made.map_err(with_next_step).map_err(target_fault::advise)?;
        return Ok(ExitCode::SUCCESS);
    };
    match command {
        BackupCommand::Key { file } => make_key(&file, json)?,
        BackupCommand::Check { file, key } => {
            check(&file, &settings::read_key(env, key)?, json).map_err(file_fault::advise)?;
        }
        BackupCommand::Wal { path, to, key } => {
            let (key, folder) = settings::key_and_archive(env, key, to)?;
            wal::archive(&path, &folder, &key)?;
        }
        BackupCommand::FetchWal { name, path, from, key } => {
            let (key, folder) = settings::key_and_archive(env, key, from)?;
            if !wal::fetch(&name, &path, &folder, &key)? {
                eprintln!("{name} is not in the archive {}", folder.display());
                return Ok(ExitCode::from(NOT_IN_ARCHIVE));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn make_key(path: &Path, json: bool) -> anyhow::Result<()> {
    let (id, name) = (BackupKey::create(path)?, path.display());
    print_line(&if json {
        json!({ "key_file": path, "key_id": id }).to_string()
    } else {
        format!(
            "The key {id} is in {name}. Set BACKUP_KEY_FILE to this file, and keep a copy of it in another place: without the key, no \
             backup can be restored."
        )
    })
}

/// A header with the current time.
fn new_header(content: ContentKind, source: String, key: &BackupKey) -> Header {
    let program = env!("CARGO_PKG_VERSION").to_owned();
    Header { content, source, created_at: Timestamp::now(), program, key_id: key.id() }
}

/// The name of a new backup file, such as `buydesk-20260102T030405Z-sqlite.backup`. Names sort by time.
fn file_name(header: &Header) -> String {
    let time = header.created_at.to_datetime().format("%Y%m%dT%H%M%SZ");
    let engine = if header.content == ContentKind::Sqlite { "sqlite" } else { "postgresql" };
    format!("buydesk-{time}-{engine}.backup")
}

/// Converts a fault of the database into an error with its code and next step.
fn with_next_step(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<BackupFault>() {
        Ok(BackupFault { code, message, next_step }) => ClientError::new(code, message, next_step).into(),
        Err(error) => error,
    }
}

/// The text as a sentence. A first word other than "the" or "no" is unchanged, because it can be a path.
fn as_sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let is_word = matches!(first, "the" | "no");
    let mut characters = text.trim_end_matches('.').chars();
    match characters.next() {
        Some(first) if is_word => format!("{}{}.", first.to_uppercase(), characters.as_str()),
        Some(first) => format!("{first}{}.", characters.as_str()),
        None => String::new(),
    }
}

async fn back_up(settings: Settings, json: bool) -> anyhow::Result<()> {
    let start = std::time::Instant::now();
    let Settings { database_url, limit, folder, key, .. } = settings;
    let url = database_url.expose();
    let MadeBackup { path, header, manifest, written } = match url.strip_prefix("sqlite:") {
        Some(path) => sqlite::back_up(Path::new(sqlite_path(path)), &folder, key).await?,
        None => postgres::back_up(url, &folder, key).await?,
    };
    let summary = &manifest.summary;
    let limit = Limit::of(limit, summary);
    BackupReport { path: &path, header: &header, written: &written, summary, limit, duration: start.elapsed() }
        .print(json)
}

/// A backup that was written and read back.
struct MadeBackup {
    path: PathBuf,
    header: Header,
    manifest: Manifest,
    written: WrittenFile,
}

fn check(path: &Path, key: &BackupKey, json: bool) -> anyhow::Result<()> {
    let file = BackupFile::open(path)?;
    let header = file.header().clone();
    let (manifest, content) = if header.content == ContentKind::Wal {
        (None, file.read_all(key)?)
    } else {
        let (manifest, content) = file.read(key, |reader| Manifest::read(reader))?;
        (Some(manifest), content)
    };
    CheckReport { path, header: &header, content: &content, manifest: manifest.as_ref() }.print(json)
}

/// Runs `buydesk restore`.
pub async fn run_restore_command(env: Env, args: RestoreArgs, json: bool) -> anyhow::Result<ExitCode> {
    restore(env, args, json).await.map_err(file_fault::advise).map_err(target_fault::advise)
}

async fn restore(env: Env, args: RestoreArgs, json: bool) -> anyhow::Result<ExitCode> {
    let content = BackupFile::open(&args.file)?.header().content;
    let for_postgres = args.to_time.is_some() || args.wal_from.is_some() || args.no_wal;
    match content {
        ContentKind::Sqlite if for_postgres => {
            let message = "--to-time, --wal-from and --no-wal are for backups of PostgreSQL, and this is a backup of SQLite: it \
                           contains the state of one moment";
            Err(ClientError::invalid_arguments(message).into())
        }
        ContentKind::Sqlite => restore_sqlite(env, args, json).await,
        ContentKind::Postgresql => restore_postgres(env, args, json).await,
        ContentKind::Wal => {
            let message = format!("{} is {content}, which cannot be restored alone.", args.file.display());
            let next_step = "Restore a base backup, and set --wal-from to the folder of this file.";
            Err(ClientError::new("not_a_base_backup", message, next_step).into())
        }
    }
}

async fn restore_sqlite(env: Env, args: RestoreArgs, json: bool) -> anyhow::Result<ExitCode> {
    let start = std::time::Instant::now();
    let Settings { database_url, limit, key, .. } = Settings::of_database(env, args.key, None)?;
    let configured = database_url.expose().strip_prefix("sqlite:").map(|path| PathBuf::from(sqlite_path(path)));
    let Some(target) = args.to.map(without_scheme).or(configured) else {
        let message = "this is a backup of SQLite, and DATABASE_URL is an address of PostgreSQL; use --to to name the file to create";
        return Err(ClientError::invalid_arguments(message).into());
    };
    ensure!(!target.as_os_str().is_empty(), "--to is empty; it must be the path of the file to create");
    let restored = sqlite::restore(&args.file, &target, key).await?;
    let limit = Limit::of(limit, &restored.summary);
    restored.report(&args.file, &target, limit, start.elapsed()).print(json)
}

/// Removes `sqlite:` from a path in the form of `DATABASE_URL`, such as `sqlite:orders.db`. Returns any other path
/// unchanged.
fn without_scheme(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_prefix("sqlite:")) {
        Some(path) => sqlite_path(path).into(),
        None => path,
    }
}

async fn restore_postgres(mut env: Env, args: RestoreArgs, json: bool) -> anyhow::Result<ExitCode> {
    let start = std::time::Instant::now();
    let Some(target) = args.to.filter(|target| !target.as_os_str().is_empty()) else {
        let message =
            "--to is missing: this is a backup of a PostgreSQL server, so --to must name the data folder to create";
        return Err(ClientError::invalid_arguments(message).into());
    };
    let folder = args.wal_from.unwrap_or_else(|| settings::archive_folder(&mut env));
    let Settings { limit, key_file, key, .. } = Settings::of_database(env, args.key, None)?;
    let log =
        if args.no_wal { LogSource::Backup } else { LogSource::Archive { folder, key_file, until: args.to_time } };
    let restored = postgres::restore(&args.file, &target, log, key).await?;
    let limit = Limit::of(limit, &restored.summary);
    restored.report(&args.file, &target, limit, start.elapsed()).print(json)
}
