//! One example of each code, for the OpenAPI documents.

use serde_json::Value;

use super::{Code, FieldError, Problem};

const REQUEST_ID: &str = "5b0a1c9e-3c0b-4b60-9d0d-0f6a1d8b7c21";
const IDEMPOTENCY_KEY: &str = "6f1c2a9e-4b0d-4a53-8f57-0f5b8a2d6c11";

impl Problem {
    /// The body of a response with this code, as a client may receive it.
    pub fn example(code: Code) -> Value {
        serde_json::to_value(example_problem(code).into_body(Some(REQUEST_ID))).expect("a problem can be serialized")
    }
}

fn example_problem(code: Code) -> Problem {
    let problem = |detail: &'static str| Problem::new(code, detail);
    match code {
        Code::BadRequest => problem("The body is not JSON: it ends too early."),
        Code::Unauthorized => problem("The request must have the header Authorization: Bearer TOKEN."),
        Code::CrossSiteRequest => problem(
            "A web page of another origin (https://shop.example) sent this request. If the page is trusted, add its origin to CORS_ORIGINS.",
        ),
        Code::Forbidden => problem("The token does not permit this request."),
        Code::NotFound => problem("No resource has this id or this name."),
        Code::MethodNotAllowed => problem("The path /api/v1/orders does not support PUT. It supports OPTIONS, POST."),
        Code::RequestTimeout => problem("The body was not received in time."),
        Code::LimitExceeded => Problem {
            remaining_bitcoin: "0.25".parse().ok(),
            ..problem(
                "The order exceeds the limit over all orders. 0.25000000 BTC remain; a smaller order may still fit.",
            )
        },
        Code::QuoteLimitExceeded => Problem {
            remaining_bitcoin: "10".parse().ok(),
            ..problem(
                "The amount exceeds what one quote may reserve. A quote may reserve 10.00000000 BTC now. An order at the current \
                 price has no such cap.",
            )
        },
        Code::InsufficientFunds => Problem {
            balance: "25.00".parse().ok().map(Box::new),
            ..problem("The wallet has 25.00 USD, which is less than the amount, 30.00 USD.")
        },
        Code::BalanceOutOfRange => Problem {
            balance: "99999999999999.00".parse().ok().map(Box::new),
            ..problem("The balance of the wallet would have more than 18 digits. It has 99999999999999.00 USD.")
        },
        Code::EmailTaken => Problem {
            errors: vec![FieldError::new("email", "\"ada@example.org\" belongs to another user")],
            ..problem(
                "Another user has the e-mail address \"ada@example.org\". Addresses are compared without regard to case.",
            )
        },
        Code::KeyLimitExceeded => problem("The user has 100 API keys that are not revoked. Revoke an API key first."),
        Code::KeyRevoked => problem("The API key is revoked, so it cannot be changed. Create another API key."),
        Code::PayloadTooLarge => problem("The body must have at most 1048576 bytes."),
        Code::MisdirectedRequest => problem(
            "The host name shop.example does not belong to this service. If the name is right, add it to ALLOWED_HOSTS.",
        ),
        Code::UnsupportedMediaType => problem(
            "The body must be JSON, but its content type is \"text/plain\". Send the header Content-Type: application/json.",
        ),
        Code::ValidationFailed => Problem::validation(vec![FieldError::new(
            "currency",
            "must be one of EUR, GBP, USD, but is \"EURO\" (did you mean EUR?)",
        )]),
        Code::KeyReused => Problem {
            errors: vec![FieldError::new(
                "Idempotency-Key",
                format!("\"{IDEMPOTENCY_KEY}\" was used for a different request"),
            )],
            ..Problem::new(
                code,
                format!(
                    "The Idempotency-Key \"{IDEMPOTENCY_KEY}\" was used for a different request. Send this request with a new \
                     Idempotency-Key."
                ),
            )
        },
        Code::QuoteUnknown => Problem {
            errors: vec![FieldError::new(
                "quote",
                "must be an existing quote, but 0190a6e2-7c1b-7c3a-9d5e-0123456789ab does not exist; quotes are deleted some time \
                 after they expire",
            )],
            ..problem("Quote 0190a6e2-7c1b-7c3a-9d5e-0123456789ab does not exist. Request a new quote.")
        },
        Code::QuoteTaken => {
            problem("Quote 0190a6e2-7c1b-7c3a-9d5e-0123456789ab was used by another order. Request a new quote.")
        }
        Code::QuoteExpired => {
            problem("Quote 0190a6e2-7c1b-7c3a-9d5e-0123456789ab has expired or was released. Request a new quote.")
        }
        Code::TooManyRequests => problem("At most 60 requests per minute are allowed from one address."),
        Code::Internal => Problem::internal(),
        Code::PriceUnavailable => problem(
            "There is no current price in EUR: the last price, of 2026-01-02 03:04:05 UTC, expired at 2026-01-02 03:05:05 UTC. No order was \
             placed.",
        ),
        Code::DatabaseUnavailable => problem("The database is unavailable. Try again in a moment."),
        Code::CacheUnavailable => problem("The price cache is unavailable."),
        Code::UpstreamUnavailable => problem("The service db-proxy does not respond. Try again in a moment."),
        Code::Overloaded => problem("Too many requests are waiting. Try again in a moment."),
        Code::OutcomeUnknown => Problem {
            idempotency_key: Some(IDEMPOTENCY_KEY.to_owned()),
            ..problem(
                "It is not known whether the request took effect. Send it again with this idempotency_key in the header \
                 Idempotency-Key. It takes effect only once.",
            )
        },
        Code::ShuttingDown => problem("The service is shutting down."),
    }
}
