use std::sync::Mutex;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

use super::*;
use crate::{clients::http_client, config::Secret, ids::UserId};

const ADA: OwnerFilter = OwnerFilter::User(UserId(uuid::Uuid::from_u128(1)));

/// A db-proxy that records the paths of its requests.
#[derive(Clone, Default)]
struct FakeDbProxy {
    /// Whether the fake also has the paths of this release, not only the paths of the previous release.
    is_current: Arc<AtomicBool>,
    paths: Arc<Mutex<Vec<String>>>,
}

impl FakeDbProxy {
    async fn start() -> (Self, OrderReader) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let fake = Self::default();
        tokio::spawn(fake.clone().answer(listener));
        let token = Secret::new("a-token-of-some-length".to_owned());
        (fake, OrderReader::new(DbProxyClient::new(http_client(), base, token)))
    }

    async fn answer(self, listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let is_known = self.is_current.load(Ordering::Relaxed) || !path.starts_with("/v2/");
            let (status, kind, body) = if is_known {
                ("200 OK", "application/json", r#"{"data":[]}"#)
            } else {
                let problem =
                    r#"{"type":"about:blank","title":"Not found","status":404,"code":"not_found","detail":"no"}"#;
                ("404 Not Found", "application/problem+json", problem)
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all((head + body).as_bytes()).await.unwrap();
            self.paths.lock().unwrap().push(path);
        }
    }

    fn take_paths(&self) -> Vec<String> {
        std::mem::take(&mut self.paths.lock().unwrap())
    }
}

async fn read_page(reader: &OrderReader, owner: OwnerFilter) -> Result<OrderPage, CallError> {
    reader.page(&OrderQuery::default(), owner, None, 5).await
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: &Result<T, CallError>) {
    assert!(
        matches!(result, Err(CallError::Problem(_, problem)) if problem.code == Code::UpstreamUnavailable),
        "{result:?}"
    );
}

#[tokio::test]
async fn orders_are_selected_by_their_owner() {
    let (db_proxy, reader) = FakeDbProxy::start().await;
    db_proxy.is_current.store(true, Ordering::Relaxed);
    read_page(&reader, OwnerFilter::Anonymous).await.unwrap();
    read_page(&reader, ADA).await.unwrap();
    reader.page_by_offset_json(OwnerFilter::Everybody, 3, 7).await.unwrap();
    assert_eq!(
        db_proxy.take_paths(),
        [
            "/v2/orders?limit=5&owner=anonymous",
            "/v2/orders?limit=5&owner=user%3A00000000-0000-0000-0000-000000000001",
            "/v2/get?owner=everybody&start=3&page_size=7",
        ]
    );
}

/// Until db-proxy is upgraded, no order belongs to a user.
#[tokio::test]
async fn anonymous_orders_are_read_from_a_db_proxy_of_the_previous_release() {
    let (db_proxy, reader) = FakeDbProxy::start().await;
    read_page(&reader, OwnerFilter::Anonymous).await.unwrap();
    assert!(!reader.find_json(&OrderIds { ids: Vec::new() }).await.unwrap().has_owners);
    assert_eq!(
        db_proxy.take_paths(),
        ["/v2/orders?limit=5&owner=anonymous", "/orders?limit=5", "/v2/orders/lookup", "/orders/lookup"]
    );
    assert_unavailable(&read_page(&reader, ADA).await);
    assert_eq!(db_proxy.take_paths().len(), 1);
}

/// A db-proxy of the previous release cannot select orders by owner, so it would show orders of users to everybody.
#[tokio::test]
async fn older_db_proxy_is_not_read_after_a_current_db_proxy_has_responded() {
    let (db_proxy, reader) = FakeDbProxy::start().await;
    db_proxy.is_current.store(true, Ordering::Relaxed);
    read_page(&reader, OwnerFilter::Anonymous).await.unwrap();
    db_proxy.is_current.store(false, Ordering::Relaxed);
    for owner in [OwnerFilter::Anonymous, OwnerFilter::Everybody, ADA] {
        assert_unavailable(&read_page(&reader, owner).await);
    }
    assert_unavailable(&reader.find_json(&OrderIds { ids: Vec::new() }).await);
    assert!(db_proxy.take_paths().iter().all(|path| path.starts_with("/v2/")));
}

/// An older db-proxy ignores a reference, and would return all orders.
#[tokio::test]
async fn orders_are_not_read_by_reference_from_an_older_db_proxy() {
    let (_db_proxy, reader) = FakeDbProxy::start().await;
    let query = OrderQuery { client_reference: Some("invoice-42".parse().unwrap()), ..OrderQuery::default() };
    assert_unavailable(&reader.page(&query, OwnerFilter::Anonymous, None, 5).await);
}
