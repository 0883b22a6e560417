//! The forms in which a client sends an order.

use poem::{Request, http::Method};
use serde_json::json;

use super::fake_db_proxy::QUOTE_ID;

/// How the client sends the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Versioned,
    Json,
    Query,
    VersionedFromQuote,
    QueryFromQuote,
}

impl Form {
    pub const ALL: [Self; 5] =
        [Self::Versioned, Self::Json, Self::Query, Self::VersionedFromQuote, Self::QueryFromQuote];

    pub fn takes_quote(self) -> bool {
        matches!(self, Self::VersionedFromQuote | Self::QueryFromQuote)
    }

    pub fn request(self, key: Option<&str>) -> Request {
        let (market, quoted) = (json!({"currency": "EUR", "amount": "69"}), json!({ "quote": QUOTE_ID }));
        let (uri, body) = match self {
            Self::Versioned => ("/api/v1/orders".to_owned(), Some(market)),
            Self::Json => ("/place_order".to_owned(), Some(market)),
            Self::Query => ("/place_order?currency=eur&amount=69".to_owned(), None),
            Self::VersionedFromQuote => ("/api/v1/orders".to_owned(), Some(quoted)),
            Self::QueryFromQuote => (format!("/place_order?quote={QUOTE_ID}"), None),
        };
        let mut request = Request::builder().method(Method::POST).uri_str(uri);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        match body {
            Some(body) => request.content_type("application/json").body(body.to_string()),
            None => request.finish(),
        }
    }
}
