//! The settings of backups.

use std::path::{Path, PathBuf};

use common::{
    config::{Env, Secret},
    money::Sats,
};

use super::key::BackupKey;
use crate::cli::KeyFileOption;

const DEFAULT_FOLDER: &str = "database/backups";
/// The name of the archive folder inside the backup folder, if `BACKUP_WAL_DIR` is not set.
const WAL_FOLDER: &str = "wal";

/// The settings of `buydesk backup` and `buydesk restore`.
pub struct Settings {
    pub database_url: Secret,
    /// `BTC_LIMIT`, which applies if no operator has set a limit.
    pub limit: Sats,
    pub folder: PathBuf,
    pub key_file: PathBuf,
    pub key: BackupKey,
}

impl Settings {
    /// `folder` replaces the setting `BACKUP_DIR`.
    pub fn of_database(mut env: Env, key: KeyFileOption, folder: Option<PathBuf>) -> anyhow::Result<Self> {
        env.set_default("INTERNAL_TOKEN", "required by the settings, but not used here");
        let config = db_proxy::Config::from_env(&mut env);
        let folder = folder.unwrap_or_else(|| backup_folder(&mut env));
        let key_file = key_path(&mut env, key);
        env.finish()?;
        let key = BackupKey::read(&key_file)?;
        Ok(Self { database_url: config.database_url, limit: config.orders.limit, folder, key_file, key })
    }
}

/// Reads the key, for a command that needs no other setting.
pub fn read_key(mut env: Env, key: KeyFileOption) -> anyhow::Result<BackupKey> {
    let path = key_path(&mut env, key);
    env.finish()?;
    BackupKey::read(&path)
}

/// The backup key and the archive folder of the write-ahead log. `folder` replaces the setting `BACKUP_WAL_DIR`.
pub fn key_and_archive(
    mut env: Env,
    key: KeyFileOption,
    folder: Option<PathBuf>,
) -> anyhow::Result<(BackupKey, PathBuf)> {
    let folder = folder.unwrap_or_else(|| archive_folder(&mut env));
    Ok((read_key(env, key)?, folder))
}

/// The setting `BACKUP_WAL_DIR`, or its default.
pub fn archive_folder(env: &mut Env) -> PathBuf {
    match env.text("BACKUP_WAL_DIR") {
        Some(folder) => folder.into(),
        None => backup_folder(env).join(WAL_FOLDER),
    }
}

fn backup_folder(env: &mut Env) -> PathBuf {
    Path::new(env.text("BACKUP_DIR").unwrap_or(DEFAULT_FOLDER)).to_owned()
}

/// The path of the key file. Adds an error to `env` if neither the option nor the setting is set.
fn key_path(env: &mut Env, KeyFileOption { key_file }: KeyFileOption) -> PathBuf {
    key_file.or_else(|| env.text("BACKUP_KEY_FILE").map(PathBuf::from)).unwrap_or_else(|| {
        let rule = "it must be the path of a key file, which `buydesk backup key FILE` makes; --key-file replaces it";
        env.add_fault("BACKUP_KEY_FILE", None, rule);
        PathBuf::new()
    })
}
