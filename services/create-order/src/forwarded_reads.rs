//! Reads that fetch-orders and `rates` answer. create-order forwards them, so that clients need only the URL of
//! create-order.

mod orders;
mod parameters;
mod prices;
mod responses;

use common::{
    api::Problem,
    clients::{ForwardedRead, ForwardingClient},
    server::peer_address,
};
use futures_util::StreamExt;
use poem::{
    Body, Request, Response,
    http::{HeaderMap, header::CONTENT_TYPE},
};
use tokio_util::sync::CancellationToken;

use self::responses::Forwarded;
pub use self::{orders::ForwardedOrders, prices::ForwardedPrices};

/// Forwards reads to one service.
pub struct Forwarder {
    client: ForwardingClient,
    /// Ends open event streams, so that they do not delay the shutdown of the server.
    close: CancellationToken,
}

impl Forwarder {
    pub fn new(client: ForwardingClient, close: CancellationToken) -> Self {
        Self { client, close }
    }

    /// Sends the request to the service, and streams the response.
    async fn forward<T>(&self, request: &Request) -> Result<Forwarded<T>, Problem> {
        let read = ForwardedRead {
            path: request.uri().path(),
            query: request.uri().query(),
            headers: request.headers(),
            peer: peer_address(request),
        };
        let answer = self.client.get(read).await?;
        let body = if is_event_stream(&answer.headers) {
            Body::from_bytes_stream(answer.body.take_until(self.close.clone().cancelled_owned()))
        } else {
            Body::from_bytes_stream(answer.body)
        };
        let mut response = Response::builder().status(answer.status).body(body);
        *response.headers_mut() = answer.headers;
        Ok(Forwarded::new(response))
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}
