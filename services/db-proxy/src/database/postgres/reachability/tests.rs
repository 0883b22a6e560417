use std::net::TcpListener;

use crate::database::{Database, DatabaseError};

/// A URL with this number of hosts. No server listens on their ports.
fn url_without_a_server(hosts: usize) -> String {
    let listeners: Vec<_> = (0..hosts).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let hosts: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    format!("postgres://buydesk:very-secret@{}/orders", hosts.join(","))
}

async fn migration_error(url: &str) -> DatabaseError {
    Database::open(url).await.unwrap().migrate().await.unwrap_err()
}

#[tokio::test]
async fn error_names_the_unreachable_server_and_the_cause() {
    let url = url_without_a_server(1);
    let error = migration_error(&url).await;
    let shown = url.replace("very-secret", "***");
    let expected =
        format!("PostgreSQL at {shown} cannot be reached: the connection was refused, so no server listens there");
    assert_eq!(error.chain(), expected);
    assert!(error.is_transient());
}

#[tokio::test]
async fn error_names_each_unreachable_server_and_its_cause() {
    let url = url_without_a_server(2);
    let error = migration_error(&url).await.chain();
    assert!(!error.contains("very-secret"), "{error}");
    assert_eq!(error.matches("the connection was refused").count(), 2, "{error}");
    assert_eq!(error.matches("postgres://buydesk:***@127.0.0.1:").count(), 2, "{error}");
}
