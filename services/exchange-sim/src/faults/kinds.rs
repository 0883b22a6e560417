//! The kinds of faults.

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

/// `direction` limits a fault to one pair.
const PRICE_PARAMETERS: &[&str] = &["direction"];

/// Declares each kind with its name on the wire and its parameters.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal, $parameters:expr;)+) => {
        /// A kind of fault. Each kind was observed at a real exchange, price feed or bank.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
        pub enum FaultKind {
            $($(#[doc = $doc])+ #[serde(rename = $name)] #[oai(rename = $name)] $kind,)+
        }

        impl FaultKind {
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// The parameters of the kind besides `seconds`.
            pub(crate) fn parameters(self) -> &'static [&'static str] {
                match self { $(Self::$kind => $parameters,)+ }
            }
        }
    };
}

kinds! {
    /// The connection breaks in the middle of the answer.
    Down = "down", &[];
    /// Status 500 in the exchange's own format.
    Error500 = "error_500", &[];
    /// An HTML page with status 520 or `status`, such as Cloudflare sends for an overloaded exchange.
    Html520 = "html_520", &["status"];
    /// "Too many requests" in the exchange's own format, with a `Retry-After` if the fault sets it or the exchange
    /// usually sends it. Further calls can lengthen the ban.
    RateLimited = "rate_limited", &["retry_after"];
    /// "Too many requests" in the exchange's own format, without a `Retry-After`. Every call is refused at least until
    /// the fault ends.
    RateLimitedSilently = "rate_limited_silently", &[];
    /// An immediate ban. Usually an exchange bans only a caller that has ignored refusals. The status is 418 at Binance
    /// and 429 at other exchanges.
    IpBanned = "ip_banned", &["retry_after"];
    /// Each answer takes longer than the previous answer, up to 25 seconds. The sixth call and later calls are refused.
    Throttled = "throttled", &["latency_millis"];
    /// The answer takes 20 seconds, or `latency_millis`.
    Slow = "slow", &["latency_millis"];
    /// The headers arrive immediately, and the body with one byte a second.
    SlowLoris = "slow_loris", &[];
    /// 64 MiB of blanks before the answer.
    Endless = "endless", &[];
    /// Status 200 with the first half of the answer.
    Truncated = "garbled", &[];
    /// Status 200 with an empty body.
    Empty = "empty", &[];
    /// Status 200 and a valid answer, but prices and times do not change. A bank publishes no new fixing.
    Frozen = "frozen", PRICE_PARAMETERS;
    /// The pair is halted: its last price does not change and its order book is empty. Binance and Kraken also report
    /// the halt, in the operations that return the status of a pair.
    Halted = "halted", PRICE_PARAMETERS;
    /// Status 200 and a valid answer, but every price is multiplied by a factor.
    LieFactor = "lie_factor", &["direction", "factor"];
    /// Status 200 and a valid answer, but with the price of another currency.
    OtherCurrency = "other_currency", PRICE_PARAMETERS;
    /// Status 200 with an error in the body.
    ErrorIn200 = "error_in_200", &[];
    /// An error in an unusual format, for example an array instead of an object, or a number instead of text.
    OddError = "odd_error", &[];
    /// The usual answer with a warning, if the exchange's format has warnings (Kraken).
    Warning = "warning", &[];
    /// The pair is unknown. As at the real exchange, a request for several pairs fails, or its answer lacks the pair.
    Unlisted = "unlisted", PRICE_PARAMETERS;
    /// Some keys have other names, for example the keys of prices.
    Renamed = "renamed", &[];
    /// Numbers have an unusual format.
    OddNumbers = "odd_numbers", &["direction", "number_form"];
    /// Times have another unit or format, or are absent.
    OddTimes = "odd_times", &["time_form"];
    /// The exchange's clock is ahead or behind.
    ClockSkew = "clock_skew", &["skew_seconds"];
    /// The best bid is above the best ask.
    CrossedBook = "crossed_book", PRICE_PARAMETERS;
    /// The best bid is zero.
    ZeroBid = "zero_bid", PRICE_PARAMETERS;
    /// Prices are negative.
    NegativePrice = "negative_price", PRICE_PARAMETERS;
    /// `null` instead of a price.
    NullPrice = "null_price", PRICE_PARAMETERS;
    /// A bank's newest fixing is some days old, as its date shows.
    OldFixing = "old_fixing", &["days"];
    /// WebSocket: the connection stays open, but no message arrives. The exchange ignores the client's messages.
    Silent = "silent", &[];
    /// WebSocket: heartbeats arrive, but no prices.
    HeartbeatOnly = "heartbeat_only", &[];
    /// WebSocket: messages arrive twice and in the wrong order.
    OutOfOrder = "out_of_order", &[];
    /// WebSocket: the exchange ends connections without a close frame.
    Cut = "cut", &[];
    /// WebSocket: the exchange announces a restart, if its format has such a message (all but Coinbase), and closes the
    /// connection ten seconds later.
    RestartNotice = "restart_notice", &[];
}

#[cfg(test)]
mod tests;
