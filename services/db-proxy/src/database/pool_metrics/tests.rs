use super::*;

#[tokio::test]
async fn connections_in_use_and_idle_are_counted_by_pool() {
    let folder = tempfile::TempDir::new().unwrap();
    let database = Database::open(&format!("sqlite:{}/test.db", folder.path().display())).await.unwrap();
    let metrics = Metrics::new("test");
    register(&metrics, &database);
    let Database::Sqlite(sqlite) = &database else { panic!("the database is not SQLite") };
    let assert_connections = |pool: &str, in_use: u32, idle: u32| {
        let text = metrics.encode();
        for (state, number) in [("in_use", in_use), ("idle", idle)] {
            let line = format!(
                "buydesk_database_connections{{service=\"test\",pool=\"{pool}\",state=\"{state}\"}} {number}\n"
            );
            assert!(text.contains(&line), "{line} is not in:\n{text}");
        }
    };
    assert_connections("writer", 0, 1);
    let writer = sqlite.writer.acquire().await.unwrap();
    assert_connections("writer", 1, 0);
    drop(writer);
    let text = metrics.encode();
    assert!(text.contains("buydesk_database_connections_max{service=\"test\",pool=\"writer\"} 1\n"), "{text}");
    for pool in ["readers", "background"] {
        assert!(text.contains(&format!("pool=\"{pool}\"")), "{text}");
    }
    database.close().await;
}
