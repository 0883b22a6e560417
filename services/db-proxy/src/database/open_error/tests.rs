use std::os::unix::fs::symlink;

use common::error_chain::format_chain;
use sqlx::{Connection, Executor, SqliteConnection};

use super::*;
use crate::database::Database;

async fn error_of(path: &Path) -> String {
    let error = Database::open(&format!("sqlite:{}", path.display())).await.err().unwrap();
    format!("{error:#}")
}

#[tokio::test]
async fn error_of_a_path_through_a_file_names_the_folder_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = error_of(&folder.path().join("file/orders.db")).await;
    let expected = format!(
        "the folder {}/file of the database file cannot be created: a part of the path is a file and not a folder. Correct the \
         path in DATABASE_URL",
        folder.path().display()
    );
    assert_eq!(error, expected);
}

#[tokio::test]
async fn error_names_the_link_and_its_missing_target() {
    let folder = tempfile::tempdir().unwrap();
    let (link, target) = (folder.path().join("link"), folder.path().join("missing/orders.db"));
    symlink(&target, &link).unwrap();
    // The link is the database file, or the folder of the database file.
    for path in [link.clone(), link.join("orders.db")] {
        let expected = format!(
            "{} is a link to {}, which does not exist. Correct or remove the link, or set DATABASE_URL to another file",
            link.display(),
            target.display()
        );
        assert_eq!(error_of(&path).await, expected);
    }
}

#[tokio::test]
async fn file_that_is_not_a_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "These are notes and not a database. ".repeat(100)).unwrap();
    let error = error_of(&path).await;
    assert_eq!(
        error,
        format!("the file {} is not an SQLite database. Set DATABASE_URL to another file", path.display())
    );
}

#[test]
fn io_errors_are_reported_with_their_cause_and_remedy() {
    for (kind, reason) in [
        (io::ErrorKind::PermissionDenied, "the user of this process may not do that. Change the owner"),
        (io::ErrorKind::ReadOnlyFilesystem, "the file system is read-only. Set DATABASE_URL"),
        (io::ErrorKind::IsADirectory, "it is a folder. Set DATABASE_URL"),
        (io::ErrorKind::StorageFull, "the disk is full. Free space"),
    ] {
        let error = OpenError::of_file(Path::new("/data/orders.db"), &kind.into()).to_string();
        assert!(
            error.starts_with(&format!("the file /data/orders.db cannot be opened for writing: {reason}")),
            "{error}"
        );
    }
    for (path, reason) in [
        ("/nope/orders.db", "the folder /nope does not exist. Correct the path"),
        ("/proc/orders.db", "no file can be created in the folder /proc. Correct the path"),
    ] {
        let error = OpenError::of_file(Path::new(path), &io::ErrorKind::NotFound.into()).to_string();
        assert_eq!(error, format!("the file {path} cannot be opened for writing: {reason} in DATABASE_URL"));
    }
}

#[tokio::test]
async fn errors_of_sqlite_are_described_in_plain_words() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let full = "pragma max_page_count = 1; create table a (b text); create table c (d text)";
    for (statements, expected) in [
        (
            full,
            format!(
                "the file {path} cannot be opened for writing: the disk is full. Free space, or set DATABASE_URL to a file on \
                 another disk"
            ),
        ),
        ("select 1 from absent", format!("the database file {path} cannot be opened: no such table: absent")),
    ] {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let error = connection.execute(statements).await.unwrap_err();
        assert_eq!(format_chain(&OpenError::of_sqlite(file.path(), &error)), expected);
    }
}
