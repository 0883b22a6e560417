//! From HTTP to a websocket: a session's two channels are put on a socket.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use poem::{
    Endpoint, FromRequest, IntoResponse, Request, Response,
    http::{HeaderValue, StatusCode},
    web::websocket::{CloseCode, Message, WebSocket, WebSocketConfig, WebSocketStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{ClientEnd, ENDPOINTS, FromClient, FromExchange, WebSocketError};
use crate::{SIMULATED_HEADER, Simulation, response::SimulatedResponse};

/// Largest message of a client that is read, in bytes: a subscription to every pair has less than 4 KiB.
const MAX_MESSAGE: usize = 64 * 1024;

/// The endpoint, with the websockets of the exchanges before it. They end with it.
pub(crate) fn with_websockets<E>(inner: E, simulation: Simulation) -> impl Endpoint<Output = Response>
where
    E: Endpoint<Output = Response> + 'static,
{
    let stop = CancellationToken::new();
    let guard = Arc::new(stop.clone().drop_guard());
    let (inner, simulation) = (Arc::new(inner), simulation);
    poem::endpoint::make(move |request: Request| {
        let (inner, simulation, stop) = (inner.clone(), simulation.clone(), stop.clone());
        let guard: Arc<DropGuard> = guard.clone();
        async move {
            let _held = guard;
            if ENDPOINTS.iter().any(|place| place.path == request.uri().path()) {
                upgrade(&request, &simulation, stop).await
            } else {
                inner.call(request).await
            }
        }
    })
}

async fn upgrade(request: &Request, simulation: &Simulation, stop: CancellationToken) -> poem::Result<Response> {
    let websocket = WebSocket::from_request_without_body(request).await?;
    let mut response = match simulation.websocket(request.uri().path(), request.uri().query()).await {
        Ok(end) => {
            let limits = WebSocketConfig::default();
            let limits = limits.max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
            let websocket = websocket.config(limits);
            let carried = |socket| async move { stop.run_until_cancelled(carry(socket, end)).await };
            websocket.on_upgrade(carried).into_response()
        }
        Err(WebSocketError::NoSuchPath) => StatusCode::NOT_FOUND.into_response(),
        Err(WebSocketError::Refused) => SimulatedResponse::Aborted.into_response(),
        Err(WebSocketError::Status(status)) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    };
    response.headers_mut().insert(SIMULATED_HEADER, HeaderValue::from_static("true"));
    Ok(response)
}

/// Carries messages until either side has no more. Pings of the client are answered by the socket itself.
async fn carry(mut socket: WebSocketStream, ClientEnd { sender, mut receiver }: ClientEnd) {
    loop {
        tokio::select! {
            message = receiver.recv() => {
                let message = match message {
                    Some(FromExchange::Text(text)) => Message::Text(text),
                    Some(FromExchange::Ping) => Message::Ping(Vec::new()),
                    Some(FromExchange::Pong) => continue,
                    Some(FromExchange::Close(code)) => Message::Close(Some((CloseCode::from(code), String::new()))),
                    // Cut: with no word.
                    None => return,
                };
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            message = socket.next() => {
                let message = match message {
                    Some(Ok(Message::Text(text))) => FromClient::Text(text),
                    Some(Ok(Message::Ping(_))) => FromClient::Ping,
                    Some(Ok(Message::Pong(_))) => FromClient::Pong,
                    Some(Ok(Message::Binary(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
}
