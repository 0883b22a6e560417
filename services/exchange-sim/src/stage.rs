//! Where an exchange plays its part: what it would answer, and what becomes of that while something is wrong with it.

use std::{sync::Arc, time::Duration};

use common::{money::Currency, time::Timestamp};
use poem::{Body, IntoResponse, Response, http::StatusCode};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};
use serde::Serialize;

use crate::{
    faults::{Fault, FaultKind, Faults},
    market::{Market, Quote, Units},
};

/// How long an answer of a slow exchange takes: longer than any client should wait.
const SLOW: Duration = Duration::from_secs(20);
const JSON: &str = "application/json";

/// An answer in the exchange's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

impl Reply {
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).unwrap_or_else(|error| {
            tracing::error!(%error, "an answer cannot be written as JSON");
            String::new()
        });
        Self { status, content_type: JSON, body }
    }

    pub(crate) fn text(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status, content_type, body: body.into() }
    }

    /// What Cloudflare answers in front of an exchange that gives an answer it does not understand.
    fn cloudflare_520() -> Self {
        let status = StatusCode::from_u16(520).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let page = "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>520: Web server is returning an unknown \
                    error</title></head><body><h1>Error 520</h1></body></html>\n";
        Self::text(status, "text/html; charset=UTF-8", page)
    }

    fn first_half(mut self) -> Self {
        let mut half = self.body.len() / 2;
        while !self.body.is_char_boundary(half) {
            half -= 1;
        }
        self.body.truncate(half);
        self
    }
}

/// How an exchange says that something is wrong.
pub(crate) struct Shapes {
    pub(crate) rate_limited: fn() -> Reply,
    pub(crate) error_500: fn() -> Reply,
    pub(crate) error_in_200: fn() -> Reply,
}

/// The market as one exchange shows it at one moment.
pub(crate) struct View<'a> {
    market: &'a Market,
    exchange: &'static str,
    time: Timestamp,
    factor: Decimal,
}

impl View<'_> {
    /// The quote for a pair, in whole ticks; nothing for a pair that is not traded.
    pub(crate) fn quote(&self, pair: (&str, Currency), tick: Units) -> Option<Quote> {
        let Quote { last, bid, ask, time } = self.market.quote(self.exchange, pair, tick, self.time)?;
        let [last, bid, ask] = [last, bid, ask].map(|price| self.told(price, tick));
        Some(Quote { last, bid, ask, time })
    }

    fn told(&self, price: Units, tick: Units) -> Units {
        if self.factor == Decimal::ONE {
            return price;
        }
        let ticks = Decimal::from(price / tick).checked_mul(self.factor);
        let ticks = ticks.map(|ticks| ticks.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero));
        ticks.and_then(|ticks| ticks.to_i64()?.max(1).checked_mul(tick)).unwrap_or(price)
    }
}

/// One exchange's place in the market.
pub(crate) struct Stage {
    name: &'static str,
    shapes: Shapes,
    market: Arc<Market>,
    faults: Arc<Faults>,
}

impl Stage {
    pub(crate) fn new(name: &'static str, shapes: Shapes, market: &Arc<Market>, faults: &Arc<Faults>) -> Self {
        Self { name, shapes, market: market.clone(), faults: faults.clone() }
    }

    /// What a client gets in place of `answer`, which is what it would get if nothing were wrong.
    pub(crate) async fn play(&self, answer: impl FnOnce(&View<'_>) -> Reply) -> Wire {
        let now = Timestamp::now();
        let fault = self.faults.of(self.name, now);
        let honest = |fault: Option<Fault>| {
            let frozen = fault.filter(|fault| fault.kind == FaultKind::Frozen);
            let time = frozen.map_or(now, |fault| fault.since);
            let factor = fault.map_or(Decimal::ONE, |fault| fault.factor);
            answer(&View { market: &self.market, exchange: self.name, time, factor })
        };
        let reply = match fault.map(|fault| fault.kind) {
            None | Some(FaultKind::Frozen | FaultKind::LieFactor) => honest(fault),
            Some(FaultKind::Slow) => {
                tokio::time::sleep(SLOW).await;
                honest(fault)
            }
            Some(FaultKind::Garbled) => honest(fault).first_half(),
            Some(FaultKind::Html520) => Reply::cloudflare_520(),
            Some(FaultKind::RateLimited) => (self.shapes.rate_limited)(),
            Some(FaultKind::Error500) => (self.shapes.error_500)(),
            Some(FaultKind::ErrorIn200) => (self.shapes.error_in_200)(),
            Some(FaultKind::Down) => return Wire::BrokenOff,
        };
        Wire::Whole(reply)
    }
}

/// What goes over the wire.
pub(crate) enum Wire {
    Whole(Reply),
    /// The connection ends before the answer does.
    BrokenOff,
}

impl IntoResponse for Wire {
    fn into_response(self) -> Response {
        match self {
            Self::Whole(Reply { status, content_type, body }) => {
                Response::builder().status(status).content_type(content_type).body(body)
            }
            Self::BrokenOff => {
                let cut = futures_util::stream::once(async {
                    Err::<Vec<u8>, _>(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "fault: down"))
                });
                // With a length that is never reached: a body in chunks would be ended as if it were whole.
                let response = Response::builder().content_type(JSON).header("content-length", "512");
                response.body(Body::from_bytes_stream(cut))
            }
        }
    }
}

impl ApiResponse for Wire {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: JSON, schema: serde_json::Value::schema_ref() }];
        let description = "What the real exchange answers; errors too come in its own form.";
        let response =
            MetaResponse { description, status: Some(200), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        serde_json::Value::register(registry);
    }
}
