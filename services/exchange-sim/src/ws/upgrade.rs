//! Upgrades HTTP requests to WebSocket connections, and connects a session to the socket.

use std::sync::Arc;

use common::api::{Code, Problem};
use futures_util::{SinkExt, StreamExt};
use poem::{
    Endpoint, FromRequest, IntoResponse, Request, Response,
    http::StatusCode,
    web::websocket::{CloseCode, Message, WebSocket, WebSocketConfig, WebSocketStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    ENDPOINTS,
    messages::{ClientEnd, FromClient, FromExchange, WebSocketError},
};
use crate::{response::SimulatedResponse, simulation::Simulation};

/// Maximum size of a message of a client. A subscription to every pair is shorter than 4 KiB.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Serves the paths of the WebSocket endpoints, and passes every other request to `inner`. The WebSocket connections
/// close when the endpoint is dropped.
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
            let _guard = guard;
            if ENDPOINTS.iter().any(|endpoint| endpoint.path == request.uri().path()) {
                upgrade(&request, &simulation, stop).await
            } else {
                inner.call(request).await
            }
        }
    })
}

async fn upgrade(request: &Request, simulation: &Simulation, stop: CancellationToken) -> poem::Result<Response> {
    let websocket = match WebSocket::from_request_without_body(request).await {
        Ok(websocket) => websocket,
        Err(error) => {
            let detail = format!("This path accepts only WebSocket connections: {error}.");
            return Ok(Problem::new(Code::BadRequest, detail).respond(None));
        }
    };
    let response = match simulation.websocket(request.uri().path(), request.uri().query()).await {
        Ok(end) => {
            let limits = WebSocketConfig::default();
            let limits = limits.max_message_size(Some(MAX_MESSAGE_BYTES)).max_frame_size(Some(MAX_MESSAGE_BYTES));
            let websocket = websocket.config(limits);
            let forwarding = |socket| async move { stop.run_until_cancelled(forward(socket, end)).await };
            websocket.on_upgrade(forwarding).into_response()
        }
        Err(WebSocketError::NoSuchPath) => StatusCode::NOT_FOUND.into_response(),
        Err(WebSocketError::Refused) => SimulatedResponse::Aborted.into_response(),
        Err(WebSocketError::Status(status)) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    };
    Ok(response)
}

/// Forwards messages until either side closes. The socket itself answers the client's pings.
async fn forward(mut socket: WebSocketStream, ClientEnd { sender, mut receiver }: ClientEnd) {
    loop {
        tokio::select! {
            message = receiver.recv() => {
                let message = match message {
                    Some(FromExchange::Text(text)) => Message::Text(text),
                    Some(FromExchange::Ping) => Message::Ping(Vec::new()),
                    Some(FromExchange::Pong) => continue,
                    Some(FromExchange::Close(code)) => Message::Close(Some((CloseCode::from(code), String::new()))),
                    // The session has ended. If it sent no close frame, the connection is cut.
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
