//! `buydesk up` as a process.

use std::process::Command;

use common::service::Service;
use tests::{buydesk_up::BuydeskUp, environment::binary_path, raw_http::open_connection};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Opens a connection that the server has accepted, and sends the beginning of a second request.
async fn connect_and_send(address: &str, beginning: &str) -> TcpStream {
    let mut client = open_connection(address).await;
    client.write_all(beginning.as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn buydesk_up_stops_in_time_although_clients_hold_connections() {
    let platform = BuydeskUp::start(&[]).await;
    let post = |path: &str| {
        let token = &platform.token;
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
        )
    };
    let mut clients = Vec::new();
    for (service, path) in [
        (create_order::App::NAME, "/api/v1/orders"),
        (db_proxy::App::NAME, "/add/"),
        (price_cache_proxy::App::NAME, "/add/?ttl=60"),
        (health_check::App::NAME, "/report"),
    ] {
        let address = platform.address(service);
        clients.push(connect_and_send(&address, "GET / HTTP/1.1\r\nhost: loc").await);
        clients.push(connect_and_send(&address, &post(path)).await);
    }
    let status = platform.stop().await;
    assert!(status.success(), "{status}");
}

#[test]
fn buydesk_up_with_few_file_descriptors_names_the_required_number() {
    for limit in ["8", "64"] {
        let script = format!("ulimit -n {limit} && exec {} up --demo", binary_path("buydesk").display());
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("sh").args(["-c", &script]).env_clear().current_dir(folder.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("buydesk up needs at least 768 file descriptors"), "{error}");
        assert!(error.contains(&format!("may open only {limit}")), "{error}");
    }
}
