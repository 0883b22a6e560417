//! Serving one connection.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use poem::{
    Addr,
    http::{HeaderValue, StatusCode, header::CONNECTION, uri::Scheme},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    activity::{Activity, Check, Timeout},
    tracked::{TrackedBody, TrackedStream},
};
use crate::server::{
    limits::{CLOSE_DELAY, MAX_HEAD},
    request_guard::GuardedEndpoint,
};

/// Attached to a request that a draining server received. Only the response of the readiness endpoint depends on it.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Draining;

/// The steps of the shutdown of a server. A stopped server is also draining.
#[derive(Debug, Clone)]
pub(super) struct ShutdownSteps {
    /// The server is not ready any more, but serves every request.
    pub(super) draining: CancellationToken,
    /// The server accepts no connections any more.
    pub(super) stop: CancellationToken,
}

/// The addresses of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

/// Serves a connection until the client or the server closes it, or a deadline expires. Returns the timeout of an
/// expired deadline.
///
/// When the server is draining, each response closes its connection, and requests contain [`Draining`]. When the server
/// stops, a connection without a request is closed after [`CLOSE_DELAY`].
pub(super) async fn serve<S>(
    stream: TrackedStream<S>,
    activity: Activity,
    addresses: Addresses,
    endpoint: Arc<GuardedEndpoint>,
    ShutdownSteps { draining, stop }: ShutdownSteps,
) -> Option<Timeout>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let local = LocalAddr(Addr::SocketAddr(addresses.local));
    let remote = RemoteAddr(Addr::SocketAddr(addresses.remote));
    let service = service_fn({
        let activity = activity.clone();
        move |request: hyper::Request<Incoming>| {
            let in_progress = activity.start_request();
            let mut request = poem::Request::from((request, local.clone(), remote.clone(), Scheme::HTTP));
            let (endpoint, draining) = (endpoint.clone(), draining.clone());
            async move {
                if draining.is_cancelled() {
                    request.set_data(Draining);
                }
                let mut response: hyper::Response<_> = endpoint.respond(request).await.into();
                // A connection that changes its protocol has no further request.
                if draining.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| TrackedBody { body, _request: in_progress }))
            }
        }
    });
    let connection = http1::Builder::new()
        // `Activity` checks the deadline of the head. The deadline of hyper would set a timer for each request.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut stopped = pin!(async {
        stop.cancelled().await;
        sleep(CLOSE_DELAY).await;
    });
    let mut stopping = false;
    let mut deadline = pin!(sleep_until(Instant::now()));
    loop {
        tokio::select! {
            biased;
            // After an error, the connection is broken, or hyper has already answered an invalid request.
            _ = &mut connection => return None,
            () = &mut stopped, if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
                if !activity.is_responding() {
                    return None;
                }
            }
            () = &mut deadline => match activity.check(Instant::now()) {
                Check::Expired(timeout) => return Some(timeout),
                Check::NextCheck(at) => deadline.as_mut().reset(at),
            },
        }
    }
}
