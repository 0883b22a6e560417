//! All tests except the last two use virtual time, and streams in memory instead of sockets.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use futures_util::stream;
use poem::{Body, EndpointExt, Route, get, handler};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
};

use super::*;
use crate::server::{
    ServerConfig,
    limits::{CLOSE_DELAY, DEFAULT_MAX_CONNECTIONS, HEAD_TIMEOUT, IDLE_TIMEOUT, MIN_WRITE_PROGRESS, WRITE_TIMEOUT},
    settings::{AllowedHosts, CorsOrigins},
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// The capacity of a connection in memory. It is much smaller than a response of `/large`.
const CAPACITY: usize = 4096;

/// Returns each of `errors` first, and then the streams that the test connects.
struct ScriptedAcceptor {
    accepted: tokio::sync::Mutex<mpsc::UnboundedReceiver<DuplexStream>>,
    errors: Mutex<VecDeque<io::Error>>,
    calls: Mutex<usize>,
}

impl Accept for ScriptedAcceptor {
    type Stream = DuplexStream;

    async fn accept(&self) -> io::Result<(DuplexStream, SocketAddr)> {
        *self.calls.lock().unwrap() += 1;
        if let Some(error) = self.errors.lock().unwrap().pop_front() {
            return Err(error);
        }
        match self.accepted.lock().await.recv().await {
            Some(stream) => Ok((stream, ([127, 0, 0, 1], 1).into())),
            None => std::future::pending().await,
        }
    }
}

struct TestServer {
    connect: mpsc::UnboundedSender<DuplexStream>,
    acceptor: Arc<ScriptedAcceptor>,
    metrics: ConnectionMetrics,
    draining: CancellationToken,
    stop: CancellationToken,
    drain_end: CancellationToken,
    task: JoinHandle<()>,
}

#[handler]
fn small() -> &'static str {
    "ok"
}

#[handler]
fn large() -> Body {
    Body::from_bytes_stream(stream::repeat_with(|| Ok::<_, io::Error>(bytes::Bytes::from_static(&[b'x'; 1024]))))
}

/// Whether the server was draining when it received the request.
#[handler]
fn is_draining(request: &poem::Request) -> String {
    request.data::<Draining>().is_some().to_string()
}

/// Sends a byte each minute.
#[handler]
fn slow() -> Body {
    Body::from_bytes_stream(stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Some((Ok::<_, io::Error>(bytes::Bytes::from_static(b"x")), ()))
    }))
}

#[handler]
async fn pending() {
    std::future::pending::<()>().await;
}

impl TestServer {
    fn start(max_connections: usize, errors: Vec<io::Error>) -> Self {
        let (connect, accepted) = mpsc::unbounded_channel();
        let acceptor = Arc::new(ScriptedAcceptor {
            accepted: accepted.into(),
            errors: Mutex::new(errors.into()),
            calls: Mutex::new(0),
        });
        let routes = Route::new()
            .at("/", get(small))
            .at("/draining", get(is_draining))
            .at("/large", get(large))
            .at("/slow", get(slow));
        let endpoint = routes.at("/pending", get(pending)).map_to_response().boxed();
        let (draining, stop, drain_end) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let metrics = ConnectionMetrics::default();
        let local = ([127, 0, 0, 1], 2).into();
        let guard = RequestGuard::new(local, AllowedHosts::default(), CorsOrigins::default());
        let mut connections = Connections {
            endpoint: Arc::new(GuardedEndpoint { guard, endpoint }),
            local,
            free: Arc::new(Semaphore::new(max_connections)),
            metrics: metrics.clone(),
            draining: draining.child_token(),
            stop: stop.clone(),
            served: JoinSet::new(),
            refused: JoinSet::new(),
        };
        let task = tokio::spawn({
            let (acceptor, drain_end) = (acceptor.clone(), drain_end.clone());
            async move {
                connections.accept(&*acceptor).await;
                connections.drain(&drain_end).await;
            }
        });
        Self { connect, acceptor, metrics, draining, stop, drain_end, task }
    }

    fn with_defaults() -> Self {
        Self::start(DEFAULT_MAX_CONNECTIONS, Vec::new())
    }

    async fn connect(&self, bytes: &[u8]) -> DuplexStream {
        let (mut client, server) = duplex(CAPACITY);
        self.connect.send(server).unwrap();
        client.write_all(bytes).await.unwrap();
        client
    }
}

/// Reads until the server closes the connection.
async fn read_to_end(client: &mut DuplexStream) -> String {
    let mut received = Vec::new();
    let _ = client.read_to_end(&mut received).await;
    String::from_utf8_lossy(&received).into_owned()
}

/// Reads the response to [`GET`].
async fn read_response(client: &mut DuplexStream) {
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\nok") {
        assert_ne!(client.read_buf(&mut received).await.unwrap(), 0, "the connection was closed");
    }
}

/// The time until the server closes the connection.
async fn time_until_close(client: &mut DuplexStream) -> Duration {
    let start = Instant::now();
    read_to_end(client).await;
    start.elapsed()
}

fn is_about(actual: Duration, expected: Duration) -> bool {
    actual >= expected && actual < expected + Duration::from_millis(10)
}

#[tokio::test(start_paused = true)]
async fn connection_with_part_of_head_is_closed_after_head_timeout() {
    let server = TestServer::with_defaults();
    for part in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut client = server.connect(part).await;
        let time = time_until_close(&mut client).await;
        assert!(is_about(time, HEAD_TIMEOUT), "{time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn connection_whose_head_arrives_byte_by_byte_is_closed_after_head_timeout() {
    let server = TestServer::with_defaults();
    let (mut reader, mut writer) = tokio::io::split(server.connect(GET).await);
    let mut first = [0; 1024];
    assert_ne!(reader.read(&mut first).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_secs(33)).await;
    let start = Instant::now();
    // Sends the head of the second request.
    let trickle = async {
        while writer.write_all(b"G").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let mut rest = Vec::new();
    let (_, ()) = tokio::join!(reader.read_to_end(&mut rest), trickle);
    assert!(start.elapsed() < HEAD_TIMEOUT + Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn idle_connection_is_kept_for_idle_timeout() {
    let server = TestServer::with_defaults();
    let mut client = server.connect(GET).await;
    for _ in 0..3 {
        read_response(&mut client).await;
        tokio::time::sleep(IDLE_TIMEOUT.saturating_sub(Duration::from_secs(1))).await;
        client.write_all(GET).await.unwrap();
    }
    read_response(&mut client).await;
    let time = time_until_close(&mut client).await;
    assert!(is_about(time, IDLE_TIMEOUT), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn client_that_stops_reading_is_disconnected_after_write_timeout() {
    let server = TestServer::with_defaults();
    let _client = server.connect(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    tokio::time::sleep(WRITE_TIMEOUT.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(server.metrics.open.get(), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(server.metrics.open.get(), 0);
}

/// Eight times, waits for half of the write timeout and reads `length` bytes. Returns whether the connection stayed
/// open.
async fn survives_reading(length: usize) -> bool {
    let server = TestServer::with_defaults();
    let mut client = server.connect(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    for _ in 0..8 {
        tokio::time::sleep(WRITE_TIMEOUT / 2).await;
        if client.read_exact(&mut vec![0; length]).await.is_err() {
            return false;
        }
    }
    true
}

#[tokio::test(start_paused = true)]
async fn slow_reader_is_served_above_minimum_rate_and_disconnected_below() {
    assert!(survives_reading(MIN_WRITE_PROGRESS).await);
    assert!(!survives_reading(MIN_WRITE_PROGRESS / 8).await);
}

#[tokio::test(start_paused = true)]
async fn connection_stays_open_while_a_response_is_slow() {
    let server = TestServer::with_defaults();
    let mut client = server.connect(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut received = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3600) {
        assert_ne!(client.read_buf(&mut received).await.unwrap(), 0, "closed after {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn connection_above_maximum_is_refused_until_another_is_closed() {
    let server = TestServer::start(2, Vec::new());
    let mut first = server.connect(GET).await;
    let mut second = server.connect(GET).await;
    read_response(&mut first).await;
    read_response(&mut second).await;
    let response = read_to_end(&mut server.connect(GET).await).await;
    assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    for part in ["retry-after: 1\r\n", "connection: close\r\n", "application/problem+json", "\"code\":\"overloaded\""] {
        assert!(response.contains(part), "{part} is not in {response}");
    }
    assert_eq!((server.metrics.refused.get(), server.metrics.open.get()), (1, 2));
    drop(first);
    while server.metrics.open.get() == 2 {
        tokio::task::yield_now().await;
    }
    read_response(&mut server.connect(GET).await).await;
}

#[tokio::test(start_paused = true)]
async fn failed_accept_is_repeated_after_a_pause() {
    let no_descriptor = || io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
    let errors = (0..100).map(|_| no_descriptor()).collect();
    let server = TestServer::start(2, errors);
    let mut client = server.connect(GET).await;
    tokio::time::sleep((ACCEPT_PAUSE * 50).saturating_sub(Duration::from_millis(1))).await;
    assert_eq!(*server.acceptor.calls.lock().unwrap(), 50);
    read_response(&mut client).await;
    assert_eq!(server.metrics.accept_errors.get(), 100);
}

#[tokio::test(start_paused = true)]
async fn aborted_connections_do_not_pause_the_acceptor() {
    let errors = (0..100).map(|_| io::ErrorKind::ConnectionAborted.into()).collect();
    let server = TestServer::start(2, errors);
    let start = Instant::now();
    read_response(&mut server.connect(GET).await).await;
    assert!(start.elapsed() < ACCEPT_PAUSE);
}

#[tokio::test(start_paused = true)]
async fn draining_server_answers_each_request_and_closes_its_connection() {
    let request = b"GET /draining HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let server = TestServer::with_defaults();
    let mut open = server.connect(request).await;
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\nfalse") {
        assert_ne!(open.read_buf(&mut received).await.unwrap(), 0, "the connection was closed");
    }
    server.draining.cancel();
    open.write_all(request).await.unwrap();
    for mut client in [open, server.connect(request).await] {
        let response = read_to_end(&mut client).await;
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("\r\n\r\ntrue"), "{response}");
        assert!(response.contains("connection: close\r\n"), "{response}");
    }
    assert!(!server.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn stopping_server_answers_request_that_arrives_within_the_close_delay() {
    let server = TestServer::with_defaults();
    let mut idle = server.connect(GET).await;
    read_response(&mut idle).await;
    server.stop.cancel();
    tokio::time::sleep(CLOSE_DELAY / 2).await;
    idle.write_all(GET).await.unwrap();
    let response = read_to_end(&mut idle).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains("connection: close\r\n"), "{response}");
    server.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stop_closes_connections_without_request_after_the_close_delay() {
    let server = TestServer::with_defaults();
    let mut idle = server.connect(GET).await;
    read_response(&mut idle).await;
    let _clients = (idle, server.connect(b"GET / HT").await, server.connect(b"").await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.metrics.open.get(), 3);
    let start = Instant::now();
    server.stop.cancel();
    server.task.await.unwrap();
    assert!(is_about(start.elapsed(), CLOSE_DELAY), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn stop_waits_for_requests_until_the_drain_timeout() {
    let server = TestServer::with_defaults();
    let _stuck = server.connect(b"GET /pending HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let _unread = server.connect(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    server.stop.cancel();
    server.task.await.unwrap();
    assert!(is_about(start.elapsed(), DRAIN_TIMEOUT), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn drain_end_interrupts_requests() {
    let server = TestServer::with_defaults();
    let _stuck = server.connect(b"GET /pending HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    server.stop.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.drain_end.cancel();
    server.task.await.unwrap();
    assert!(is_about(start.elapsed(), Duration::from_secs(1)), "{:?}", start.elapsed());
}

#[tokio::test]
async fn server_listens_and_stops() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = Listener::new(socket, ServerConfig::default());
    let server = Server::new(listener, get(small).map_to_response().boxed());
    let (address, stop) = (server.address().unwrap(), CancellationToken::new());
    let task = tokio::spawn(server.run_until(stop.clone()));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(GET).await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n\r\nok") {
        assert_ne!(client.read_buf(&mut received).await.unwrap(), 0);
    }
    stop.cancel();
    task.await.unwrap().unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn stopping_server_serves_connections_that_wait_to_be_accepted() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::new(Listener::new(socket, ServerConfig::default()), get(small).map_to_response().boxed());
    let mut clients = Vec::new();
    for _ in 0..16 {
        let mut client = TcpStream::connect(server.address().unwrap()).await.unwrap();
        client.write_all(GET).await.unwrap();
        clients.push(client);
    }
    let stop = CancellationToken::new();
    stop.cancel();
    server.run_until(stop).await.unwrap();
    for mut client in clients {
        let mut response = String::new();
        client.read_to_string(&mut response).await.unwrap();
        assert!(response.ends_with("\r\n\r\nok"), "{response}");
    }
}
