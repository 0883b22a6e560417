//! The migrations of each engine, compiled into the program.
//!
//! `sqlx::migrate!` is not used, because its crate compiles both database drivers a second time.

use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// The name of a file in `database/<engine>`, without its extension, and its text.
type MigrationFile = (&'static str, &'static str);

macro_rules! migration_files {
    ($engine:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../database/", $engine, "/", $name, ".sql")))),+]
    };
}

pub(super) const POSTGRES: &[MigrationFile] = migration_files!(
    "postgres": "0001_orders", "0002_quotes", "0003_courses", "0004_price_state", "0005_refusals", "0006_write_probe",
    "0007_quote_clients", "0008_writers", "0009_released_quotes", "0010_order_annotations",
    "0011_order_references", "0012_order_origin", "0013_users", "0014_order_users", "0015_order_user_indexes",
    "0016_wallets", "0017_order_wallets", "0018_order_limit", "0020_wallet_creation_keys",
);
pub(super) const SQLITE: &[MigrationFile] = migration_files!(
    "sqlite": "0001_orders", "0002_quotes", "0003_courses", "0004_price_state", "0005_refusals", "0006_write_probe",
    "0007_quote_clients", "0008_writers", "0009_released_quotes", "0010_order_annotations",
    "0011_order_references", "0012_order_origin", "0013_users", "0014_order_users", "0015_order_user_indexes",
    "0016_wallets", "0017_order_wallets", "0018_order_limit", "0020_wallet_creation_keys",
);

/// Creates the migrator of these files. The name of a file consists of version and description, such as `0002_quotes`.
pub(super) fn migrator(files: &[MigrationFile]) -> Migrator {
    let migrations = files.iter().map(|&(name, sql)| {
        let (version, description) = name.split_once('_').expect("a migration's name has a version");
        let version = version.parse().expect("a migration's version is a number");
        let description = description.replace('_', " ").into();
        Migration::new(version, description, MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // The database possibly has the migrations of the next release. They keep the statements of this release valid.
    migrator.set_ignore_missing(true);
    migrator
}

#[cfg(test)]
mod tests;
