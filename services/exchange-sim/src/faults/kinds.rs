//! The ways to fail. Every one was seen at a real exchange, feed or bank.

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

/// The parameters of faults that are about prices.
const PRICES: &[&str] = &["direction"];

/// One list for the kinds, their names on the wire, and what each can be told.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal, $parameters:expr;)+) => {
        /// A way to fail. All of them were seen in the wild.
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

            /// The parameters it takes beside `seconds`.
            pub(crate) fn parameters(self) -> &'static [&'static str] {
                match self { $(Self::$kind => $parameters,)+ }
            }
        }
    };
}

kinds! {
    /// The connection breaks off in the middle of the answer.
    Down = "down", &[];
    /// Status 500 in the exchange's own form.
    Error500 = "error_500", &[];
    /// A page of HTML with status 520, as Cloudflare answers in front of an exchange that is overloaded, or another status.
    Html520 = "html_520", &["status"];
    /// Too many requests, in the exchange's own form, with a `Retry-After` where it gives one or where it is told to. Who
    /// goes on calling is banned for longer.
    RateLimited = "rate_limited", &["retry_after"];
    /// Status 429 and no word of when to come back: every call is refused until the end of the fault.
    RateLimitedSilently = "rate_limited_silently", &[];
    /// The ban that follows on ignored refusals, at once: 418 at Binance, 429 or the exchange's own at others.
    IpBanned = "ip_banned", &["retry_after"];
    /// Each answer comes later than the one before, and the sixth call is refused.
    Throttled = "throttled", &["latency_millis"];
    /// The answer takes 20 seconds, or what is said.
    Slow = "slow", &["latency_millis"];
    /// The answer begins in time and then comes one byte a second.
    SlowLoris = "slow_loris", &[];
    /// 64 MiB of blanks before the answer.
    Endless = "endless", &[];
    /// Status 200 with half of the answer.
    Truncated = "garbled", &[];
    /// Status 200 with nothing in it.
    Empty = "empty", &[];
    /// Status 200, well-formed, but prices and times stand still; at a bank, no new fixing.
    Frozen = "frozen", PRICES;
    /// The pair is halted: its last price stands still, its book is empty, and Binance says so to who asks for the status.
    Halted = "halted", PRICES;
    /// Status 200, well-formed, but every price is wrong by a factor.
    LieFactor = "lie_factor", &["direction", "factor"];
    /// Status 200, well-formed, but the price is that of another currency.
    OtherCurrency = "other_currency", PRICES;
    /// Status 200 with an error in it.
    ErrorIn200 = "error_in_200", &[];
    /// An error in another form than the usual one: an array for an object, a number for text, an object for a list.
    OddError = "odd_error", &[];
    /// The answer is right and has a warning beside it, where the exchange knows such a thing (Kraken).
    Warning = "warning", &[];
    /// The pair is not known any more: it fails the whole batch or is silently missing, whatever the exchange does.
    Unlisted = "unlisted", PRICES;
    /// The keys that prices are found by are called otherwise.
    Renamed = "renamed", &[];
    /// Numbers are written in another way.
    OddNumbers = "odd_numbers", &["direction", "number_form"];
    /// Times are written in another unit or form, or not at all.
    OddTimes = "odd_times", &["time_form"];
    /// The exchange's clock is ahead or behind.
    ClockSkew = "clock_skew", &["skew_seconds"];
    /// The best bid is above the best ask.
    CrossedBook = "crossed_book", PRICES;
    /// The best bid is zero.
    ZeroBid = "zero_bid", PRICES;
    /// Prices are below zero.
    NegativePrice = "negative_price", PRICES;
    /// `null` where a price should be.
    NullPrice = "null_price", PRICES;
    /// A bank's fixing is some days old, and says so.
    OldFixing = "old_fixing", &["days"];
    /// Websockets: the connection stands and nothing comes any more.
    Silent = "silent", &[];
    /// Websockets: heartbeats go on and prices do not come.
    HeartbeatOnly = "heartbeat_only", &[];
    /// Websockets: messages come twice and in the wrong order.
    OutOfOrder = "out_of_order", &[];
    /// Websockets: connections are cut, as after 24 hours.
    Cut = "cut", &[];
    /// Websockets: a restart is announced, and the connections are cut after it.
    RestartNotice = "restart_notice", &[];
}

/// How a number is written while something is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum NumberForm {
    /// `84,000.12`
    Thousands,
    /// `84000,12`
    DecimalComma,
    /// `8.400012e4`
    Exponent,
    /// `84000`: the fraction is left out.
    Integer,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum TimeForm {
    /// Since 1970.
    Seconds,
    /// Since 1970.
    Millis,
    /// Since 1970.
    Micros,
    /// RFC 3339.
    Iso,
    /// The day alone.
    Date,
    /// Not at all.
    Absent,
}

#[cfg(test)]
mod tests;
