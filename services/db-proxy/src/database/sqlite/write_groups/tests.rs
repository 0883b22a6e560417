use super::*;
use crate::database::SqliteDatabase;

/// An empty file with the table `rows`. If a `parent` refers to no row, the commit fails. If a negative number is
/// inserted, SQLite rolls back the transaction by itself, as after a write to a full disk.
struct Fixture {
    database: SqliteDatabase,
    groups: WriteGroups,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.db");
        let database = SqliteDatabase::open(path.to_str().unwrap()).await.unwrap();
        let schema = "
            create table rows (
                number integer primary key,
                parent integer references rows (number) deferrable initially deferred
            );
            create trigger disk before insert on rows when new.number < 0
            begin select raise(rollback, 'the disk is full'); end";
        sqlx::raw_sql(schema).execute(&database.writer).await.unwrap();
        Self { groups: WriteGroups::new(database.writer.clone()), database, _folder: folder }
    }

    async fn insert(&self, number: i64, parent: Option<i64>) -> Result<u64, DatabaseError> {
        self.groups.run(move |connection| Box::pin(insert(connection, number, parent))).await
    }

    async fn stored(&self) -> Vec<i64> {
        let query = sqlx::query_scalar("select number from rows order by number");
        query.fetch_all(&self.database.readers).await.unwrap()
    }
}

async fn insert(connection: &mut SqliteConnection, number: i64, parent: Option<i64>) -> Result<u64, DatabaseError> {
    let query = sqlx::query("insert into rows (number, parent) values (?1, ?2)").bind(number).bind(parent);
    Ok(query.execute(connection).await?.rows_affected())
}

/// The error of the transaction of a group. Panics if the write did not fail with its group.
fn cause_of(result: Result<u64, DatabaseError>) -> Arc<DatabaseError> {
    match result {
        Err(DatabaseError::GroupFailed(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn failed_commit_fails_every_write_that_waited_at_the_same_time() {
    let fixture = Fixture::new().await;
    let (first, orphan, last) =
        tokio::join!(fixture.insert(1, None), fixture.insert(2, Some(99)), fixture.insert(3, None));
    for result in [first, orphan, last] {
        let cause = cause_of(result);
        assert!(matches!(&*cause, DatabaseError::Rejected(_)), "{cause:?}");
    }
    assert_eq!(fixture.stored().await, [0; 0]);
    assert_eq!(fixture.insert(4, None).await.unwrap(), 1);
    assert_eq!(fixture.stored().await, [4]);
}

#[tokio::test]
async fn violated_constraint_fails_only_its_write() {
    let fixture = Fixture::new().await;
    let (first, repeated, last) =
        tokio::join!(fixture.insert(1, None), fixture.insert(1, None), fixture.insert(2, Some(1)));
    assert_eq!((first.unwrap(), last.unwrap()), (1, 1));
    assert!(matches!(repeated, Err(DatabaseError::Rejected(_))), "{repeated:?}");
    assert_eq!(fixture.stored().await, [1, 2]);
}

#[tokio::test]
async fn transaction_that_sqlite_rolled_back_fails_every_write_of_its_group() {
    let fixture = Fixture::new().await;
    let (first, failing, last) =
        tokio::join!(fixture.insert(1, None), fixture.insert(-1, None), fixture.insert(2, None));
    for result in [first, failing, last] {
        cause_of(result);
    }
    assert_eq!(fixture.stored().await, [0; 0]);
    assert_eq!(fixture.insert(3, None).await.unwrap(), 1);
    assert_eq!(fixture.stored().await, [3]);
}

#[tokio::test]
async fn caller_that_stops_waiting_does_not_stop_its_group() {
    let fixture = Fixture::new().await;
    let (started, has_started) = oneshot::channel();
    let (proceed, may_proceed) = oneshot::channel();
    let mut abandoned = Box::pin(fixture.groups.run(|connection| {
        Box::pin(async move {
            started.send(()).unwrap();
            may_proceed.await.unwrap();
            insert(connection, 1, None).await
        })
    }));
    tokio::select! {
        _ = &mut abandoned => panic!("the write ended before the test let it proceed"),
        result = has_started => result.unwrap(),
    }
    drop(abandoned);
    proceed.send(()).unwrap();
    assert_eq!(fixture.insert(2, None).await.unwrap(), 1);
    assert_eq!(fixture.stored().await, [1, 2]);
}

#[tokio::test]
async fn group_fails_without_a_connection_and_the_next_group_succeeds() {
    let fixture = Fixture::new().await;
    let other_writer = fixture.database.writer.acquire().await.unwrap();
    tokio::time::pause();
    let cause = cause_of(fixture.insert(1, None).await);
    assert!(matches!(*cause, DatabaseError::TimedOut) && DatabaseError::GroupFailed(cause).is_transient());
    tokio::time::resume();
    drop(other_writer);
    assert_eq!(fixture.insert(2, None).await.unwrap(), 1);
    assert_eq!(fixture.stored().await, [2]);
}
