use sqlx::Executor;

use super::*;
use crate::database::Database;

#[tokio::test]
async fn missing_table_of_the_origin_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let database = Database::open(&format!("sqlite:{}", path.display())).await.unwrap();
    database.migrate().await.unwrap();
    database.close().await;
    let mut maintenance = SqliteMaintenance::open(&path).await.unwrap();
    assert!(maintenance.origin().await.unwrap().is_none());
    maintenance.0.execute("insert into order_origin (id, simulated) values (1, 1)").await.unwrap();
    assert!(maintenance.origin().await.unwrap().is_some_and(OrderOrigin::is_simulated));
    maintenance.0.execute("drop table order_origin").await.unwrap();
    let error = maintenance.origin().await.unwrap_err();
    assert!(matches!(error, DatabaseError::NotMigrated), "{error}");
}
