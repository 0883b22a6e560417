//! The table of all error codes. The reference page and the OpenAPI documents are generated from this table.

use std::fmt;

use poem::http::StatusCode;
use serde::Serialize;

/// Whether and when a client should send a refused request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAdvice {
    /// The same request is refused again.
    AfterChange,
    /// The same request can be sent again immediately.
    AtOnce,
    /// The same request may succeed after the time in `Retry-After`.
    AfterWait,
    /// The request may have taken effect. Only a request with the same idempotency key is safe.
    WithSameKey,
}

impl RetryAdvice {
    /// The advice as a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AfterChange => "Only after a change: the same request is refused again.",
            Self::AtOnce => "Immediately.",
            Self::AfterWait => "Unchanged, after the seconds in `Retry-After`.",
            Self::WithSameKey => {
                "With the same `Idempotency-Key`, after the seconds in `Retry-After` if it is present."
            }
        }
    }
}

/// Defines the codes. The doc comment of a code is its meaning on the reference page. Each entry names the code, its text, its
/// HTTP status, its title, the retry advice, and the recommended action of the client.
macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $name:ident = $text:literal, $status:ident, $title:literal, $retry:ident, $action:literal;)+) => {
        /// The kind of a problem. Codes are stable. Programs should compare the code and the subcode, not the title or the detail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $meaning])+ $name,)+ }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// The title, which is the same for every problem of the code (RFC 9457).
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What happened, in whole sentences.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($meaning),+).trim_ascii_start(),)+ }
            }

            pub fn retry_advice(self) -> RetryAdvice {
                match self { $(Self::$name => RetryAdvice::$retry,)+ }
            }

            /// What the client should do, in whole sentences.
            pub fn action(self) -> &'static str {
                match self { $(Self::$name => $action,)+ }
            }

            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

codes! {
    /// The request cannot be parsed: its body is not JSON, or it is incomplete.
    BadRequest = "bad_request", BAD_REQUEST, "The request cannot be parsed",
        AfterChange, "Correct the form of the request. The detail says what is wrong.";
    /// The token or the API key of the caller is missing, unknown, revoked or expired, or the user of the key is deactivated. If only
    /// operators may make the request, `subcode` is `operators_only`.
    Unauthorized = "unauthorized", UNAUTHORIZED, "The credentials are missing or not valid",
        AfterChange, "Send a valid API key or token in the header `Authorization: Bearer KEY`.";
    /// A web page of another origin sent the request.
    CrossSiteRequest = "cross_site_request", FORBIDDEN, "A page of another site sent the request",
        AfterChange, "If the page is trusted, the operator adds its origin to `CORS_ORIGINS`.";
    /// The token or the API key does not permit the request. `subcode` is `missing_scope` if the key does not have the scope that the
    /// request needs, and `operators_only` if only operators may make the request.
    Forbidden = "forbidden", FORBIDDEN, "The credentials do not permit this request",
        AfterChange, "Use a key with the scope that the detail names, or a token with the permission.";
    /// The path does not exist, or no resource has this id or name. If the path does not exist, `subcode` is `unknown_path`.
    NotFound = "not_found", NOT_FOUND, "The resource does not exist",
        AfterChange, "Check the path and the id. `/docs` lists all paths.";
    /// The path exists, but does not support the method of the request.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The path does not support this method",
        AfterChange, "Use a method of the header `Allow`.";
    /// The body of the request did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive",
        AtOnce, "Send the whole request without a pause.";
    /// The order or the quote would exceed the limit over all orders. `remaining_bitcoin` is the remaining amount.
    LimitExceeded = "limit_exceeded", CONFLICT, "The limit of all orders is exceeded",
        AfterChange, "Request a smaller amount. The limit itself is a setting of the operator.";
    /// The reservation would exceed the cap of one quote, of one client, or of all quotes together.
    QuoteLimitExceeded = "quote_limit_exceeded", CONFLICT, "The quote exceeds what quotes may reserve",
        AfterChange,
        "Request a quote of at most `remaining_bitcoin`, wait until an open quote is used or expires, or place an order without a quote.";
    /// The balance of the wallet is less than the amount of the operation or of the order. `balance` is the current balance.
    InsufficientFunds = "insufficient_funds", CONFLICT, "The wallet has not enough money",
        AfterChange, "Send a smaller amount, or deposit money first.";
    /// The balance of the wallet would be too high: a balance has at most 18 digits, of which 4 are decimals, or 8 for bitcoin.
    /// `balance` is the current balance.
    BalanceOutOfRange = "balance_out_of_range", CONFLICT, "The balance of the wallet would be too high",
        AfterChange, "Send a smaller amount, or use another wallet.";
    /// Another user has the e-mail address. Addresses are compared without regard to case.
    EmailTaken = "email_taken", CONFLICT, "The e-mail address is taken",
        AfterChange,
        "Send another address, or find the user with the address. If an earlier request got no response, it may have created this \
         user.";
    /// The user has the maximum number of keys that are not revoked.
    KeyLimitExceeded = "key_limit_exceeded", CONFLICT, "The user has too many keys",
        AfterChange, "Revoke a key that is not used any more.";
    /// The API key is revoked, so its name and its rate limit cannot be changed.
    KeyRevoked = "key_revoked", CONFLICT, "The API key is revoked",
        AfterChange, "Create another key. A revocation cannot be undone.";
    /// The body of the request is larger than the service accepts.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        AfterChange, "Send a smaller body.";
    /// The host name of the request does not belong to this service.
    MisdirectedRequest = "misdirected_request", MISDIRECTED_REQUEST, "The host name does not belong to this service",
        AfterChange, "Use the address of the service. If the name is right, the operator adds it to `ALLOWED_HOSTS`.";
    /// The operation does not accept the content type of the body, or the request has no content type.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The content type is not supported",
        AfterChange, "Send JSON with the header `Content-Type: application/json`. `POST /place_order` also accepts a form \
            (`application/x-www-form-urlencoded`). The detail names the types that the operation accepts.";
    /// Fields, parameters or headers are wrong: unknown, misspelt, repeated, missing, or with a value that is not allowed.
    /// `errors` names them, at most 20.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "A field has an invalid value",
        AfterChange, "Correct every field that `errors` names.";
    /// The idempotency key was used for a different order, wallet or movement of money.
    KeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request",
        AfterChange, "Use a new key for a new request. To send the same request again, send exactly the same body.";
    /// The quote does not exist. Quotes are deleted some time after they expire.
    QuoteUnknown = "quote_unknown", UNPROCESSABLE_ENTITY, "The quote does not exist",
        AfterChange, "Request a new quote.";
    /// Another order has used the quote.
    QuoteTaken = "quote_taken", CONFLICT, "The quote has been used",
        AfterChange, "Request a new quote.";
    /// The quote has expired or was released. It reserves nothing.
    QuoteExpired = "quote_expired", CONFLICT, "The quote has expired",
        AfterChange, "Request a new quote.";
    /// The client sent more requests than its rate limit allows, or too many unknown API keys.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests",
        AfterWait, "Wait, and send fewer requests. The headers `RateLimit-*` state the rate.";
    /// An error in the service. The log of the service contains its cause under the `request_id`.
    Internal = "internal", INTERNAL_SERVER_ERROR, "An internal error",
        WithSameKey, "Report the `request_id` to the operator. A request that places no order and moves no money may be sent again.";
    /// There is no price that may be used, for example because the last price is too old. No order was placed.
    PriceUnavailable = "price_unavailable", SERVICE_UNAVAILABLE, "There is no current price",
        AfterWait, "Wait for the next price.";
    /// The database cannot be reached or cannot write. No order was placed, and no money moved.
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, "The database cannot be reached",
        AfterWait, "Wait. An operator finds the cause at `/readyz` of db-proxy.";
    /// The price cache cannot be reached. No order was placed.
    CacheUnavailable = "cache_unavailable", SERVICE_UNAVAILABLE, "The price cache cannot be reached",
        AfterWait, "Wait. An operator finds the cause at `/readyz` of price-cache-proxy.";
    /// A service that the request needs did not respond. This request placed no order and moved no money.
    UpstreamUnavailable = "upstream_unavailable", SERVICE_UNAVAILABLE, "A required service cannot be reached",
        AfterWait, "Wait. An operator finds the missing service on the page of health-check.";
    /// Too many requests, exports or connections are open or waiting in the service, so the service refused this request. The
    /// request placed no order and moved no money.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too many requests are waiting",
        AfterWait, "Wait, longer after each attempt, and send fewer concurrent requests.";
    /// It is unknown whether the order was placed, whether a wallet was created or its money moved, or whether a user or an API key
    /// was changed: the connection or the database failed while the request was being stored. `idempotency_key` is the key of the
    /// request. If `subcode` is `no_effect`, this request had no effect, and only an earlier request with the key may have had
    /// an effect.
    OutcomeUnknown = "outcome_unknown", SERVICE_UNAVAILABLE, "It is unknown whether the request took effect",
        WithSameKey,
        "Send the same body again with the header `Idempotency-Key` set to `idempotency_key`, until the response has another code. \
         The order is placed, the wallet is created, or the money moves, at most once. Never send it with a new key. After a \
         request for a quote, request a new quote. A change of a user or of an API key needs no idempotency key: send it again. The \
         detail states how to find out whether a user or an API key was created.";
    /// The service is shutting down. This request had no effect.
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE, "The service is shutting down",
        AfterWait, "Wait until the service has started again.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
