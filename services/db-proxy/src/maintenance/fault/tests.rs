use sqlx::{Connection, Executor, SqliteConnection};

use super::*;

/// The error of SQLite for these statements.
async fn failure(statements: &'static str) -> Error {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    connection.execute(statements).await.unwrap_err()
}

#[tokio::test]
async fn full_disk_is_named_with_its_folder() {
    let full = failure("pragma max_page_count = 1; create table a (b text); create table c (d text)").await;
    let fault = BackupFault::of_copy(Path::new("data/orders.db"), Path::new("data/.copy"), &full);
    assert_eq!(
        (fault.code, fault.message.as_str()),
        ("disk_full", "The database data/orders.db cannot be copied: the disk of the folder data is full.")
    );
}

#[tokio::test]
async fn other_failure_has_the_text_of_sqlite_without_its_code() {
    let missing = failure("select 1 from absent").await;
    let fault = BackupFault::of_copy(Path::new("orders.db"), Path::new("./.copy"), &missing);
    assert!(fault.message.ends_with("cannot be copied into the folder .: no such table: absent."), "{fault}");
    let fault = BackupFault::of_rows("orders.db", None, &DatabaseError::Rejected(missing));
    assert_eq!(fault.message, "orders.db cannot be read: no such table: absent.");
    let empty = BackupFault::of_rows("orders.db", None, &DatabaseError::NotMigrated);
    assert_eq!(empty.message, "orders.db has no tables of Buydesk, or tables of an older version.");
}
