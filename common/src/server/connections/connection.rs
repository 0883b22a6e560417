//! Serving one connection.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use poem::{
    Addr,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    activity::{Activity, Check, Timeout},
    tracked::{TrackedBody, TrackedStream},
};
use crate::server::{limits::MAX_HEAD, request_guard::GuardedEndpoint};

/// The addresses of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peers {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
}

/// Serves a connection until the client or the server closes it, a deadline expires, or `stop` is cancelled and the request in
/// progress is answered. Returns the timeout that expired, if one did.
pub(super) async fn serve<S>(
    stream: TrackedStream<S>,
    activity: Activity,
    peers: Peers,
    endpoint: Arc<GuardedEndpoint>,
    stop: CancellationToken,
) -> Option<Timeout>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let local = LocalAddr(Addr::SocketAddr(peers.local));
    let remote = RemoteAddr(Addr::SocketAddr(peers.remote));
    let service = service_fn({
        let activity = activity.clone();
        move |request: hyper::Request<Incoming>| {
            let in_progress = activity.start_request();
            let request = poem::Request::from((request, local.clone(), remote.clone(), Scheme::HTTP));
            let endpoint = endpoint.clone();
            async move {
                let response: hyper::Response<_> = endpoint.respond(request).await.into();
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
    let mut stopped = pin!(stop.cancelled());
    let mut stopping = false;
    let mut deadline = pin!(sleep_until(Instant::now()));
    loop {
        tokio::select! {
            biased;
            // In case of an error, the connection is broken, or hyper has already answered an invalid request.
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
