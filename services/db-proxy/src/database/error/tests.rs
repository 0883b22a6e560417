use sqlx::{Connection, Executor, SqliteConnection};

use super::*;

#[test]
fn sqlite_result_codes_and_sqlstates_are_classified() {
    for code in ["5", "6", "10", "13", "14", "261", "517", "2826", "40001", "40P01", "55P03", "57014", "25P03"] {
        assert_eq!(classify_code(code), Cause::Outage, "{code}");
    }
    for code in ["08006", "53300", "57P01", "57P03", "25006"] {
        assert_eq!(classify_code(code), Cause::Outage, "{code}");
    }
    for code in ["42P01", "42703", "1"] {
        assert_eq!(classify_code(code), Cause::SchemaChange, "{code}");
    }
    for code in ["19", "1555", "2067", "10005", "23505", "23514", "25001", "42601", "57000", "22003", "0A000"] {
        assert_eq!(classify_code(code), Cause::Permanent, "{code}");
    }
}

#[test]
fn failed_migration_is_transient_only_in_an_outage() {
    let outage = || sqlx::Error::PoolTimedOut;
    for error in [MigrateError::Execute(outage()), MigrateError::ExecuteMigration(outage(), 3)] {
        assert!(DatabaseError::from_migration(error).is_transient());
    }
    let permanent = [
        MigrateError::VersionMismatch(3),
        MigrateError::Dirty(3),
        MigrateError::Execute(sqlx::Error::RowNotFound),
        MigrateError::ExecuteMigration(sqlx::Error::RowNotFound, 3),
    ];
    for error in permanent {
        assert!(matches!(DatabaseError::from_migration(error), DatabaseError::Migration(_)));
    }
}

#[tokio::test]
async fn full_disk_is_described_without_the_text_of_the_library() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    connection.execute("pragma max_page_count = 2; create table t (a)").await.unwrap();
    let error = connection.execute("insert into t values (zeroblob(100000))").await.unwrap_err();
    let error = DatabaseError::of_write(error);
    assert!(matches!(error, DatabaseError::DiskFull) && error.is_transient() && error.proves_rollback(), "{error:?}");
    assert_eq!(error.chain(), "the disk of the database is full. Free space on it");
}

#[test]
fn driver_errors_are_classified() {
    for error in [sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed, sqlx::Error::WorkerCrashed] {
        assert!(matches!(DatabaseError::from(error), DatabaseError::Unavailable(_)));
    }
    let broken_pipe = sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into());
    assert!(matches!(DatabaseError::from(broken_pipe), DatabaseError::Unavailable(_)));
    assert!(matches!(DatabaseError::from(sqlx::Error::RowNotFound), DatabaseError::Rejected(_)));
}

#[test]
fn outages_and_pending_migrations_are_transient() {
    assert!(DatabaseError::TimedOut.is_transient());
    assert!(DatabaseError::NotMigrated.is_transient());
    assert!(DatabaseError::Unavailable(sqlx::Error::PoolTimedOut).is_transient());
    assert!(!DatabaseError::Rejected(sqlx::Error::RowNotFound).is_transient());
    assert!(!DatabaseError::InvalidRow(String::new()).is_transient());
}

#[test]
fn refused_login_names_the_cause_and_the_remedy() {
    for (code, cause) in [
        ("28P01", "the user or the password is wrong. Correct both in DATABASE_URL"),
        ("28000", "the server does not permit this user to connect from this machine. Create the user"),
        ("3D000", "the database does not exist. Create it"),
    ] {
        let refused = LoginRefused { address: "postgres://u@h/n".into(), reason: LoginFault::of_code(code).unwrap() };
        let error = DatabaseError::LoginRefused(refused);
        let text = error.chain();
        assert!(text.starts_with(&format!("PostgreSQL at postgres://u@h/n refuses the login: {cause}")), "{text}");
        // While the login is refused, requests are answered with 503.
        assert!(error.is_transient());
    }
    assert_eq!(LoginFault::of_code("57P03"), None);
}
