//! The three JSON objects that describe a fault: the request to start it, its entry in a timeline, and its entry in the
//! lists of the admin API.

use common::{
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use super::{kinds::FaultKind, market_moves::MarketMove};
use crate::formats::{NumberFormat, TimeFormat};

/// Declares the three objects with the same parameters.
macro_rules! fault_payloads {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)+) => {
        /// A fault to start.
        #[derive(Debug, Clone, PartialEq, Eq, Object, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[oai(deny_unknown_fields)]
        pub struct NewFault {
            pub fault: FaultKind,
            /// The duration in seconds, 1 to 86400. The default is 60.
            #[serde(default)]
            #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
            pub seconds: Option<u64>,
            $($(#[$doc])* #[serde(default)] pub $field: Option<$type>,)+
        }

        /// A fault of a timeline.
        #[derive(Debug, Clone, PartialEq, Eq, Object, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[oai(deny_unknown_fields)]
        pub struct TimedFault {
            pub exchange: String,
            /// The start in seconds after the start of the timeline, at most one year.
            #[oai(validator(maximum(value = "31536000")))]
            pub at_seconds: u64,
            pub fault: FaultKind,
            /// The duration in seconds, 1 to 86400. The default is 60.
            #[serde(default)]
            #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
            pub seconds: Option<u64>,
            $($(#[$doc])* #[serde(default)] pub $field: Option<$type>,)+
        }

        /// A fault with its start and end. It may be active, over, or scheduled by a timeline.
        #[derive(Debug, Clone, PartialEq, Eq, Object, Serialize)]
        #[oai(rename = "ActiveFault")]
        pub struct FaultInfo {
            pub exchange: String,
            pub fault: FaultKind,
            pub since: Timestamp,
            pub until: Timestamp,
            $($(#[$doc])*
            #[serde(skip_serializing_if = "Option::is_none")]
            #[oai(skip_serializing_if_is_none)]
            pub $field: Option<$type>,)+
        }

        impl NewFault {
            /// A fault with the defaults of its kind.
            pub fn new(fault: FaultKind) -> Self {
                Self { fault, seconds: None, $($field: None,)+ }
            }

            /// The names of the parameters that have a value.
            pub(super) fn present_parameters(&self) -> impl Iterator<Item = &'static str> {
                [$(self.$field.is_some().then_some(stringify!($field)),)+].into_iter().flatten()
            }

            pub(super) fn to_fault_info(&self, exchange: &str, since: Timestamp, until: Timestamp) -> FaultInfo {
                let exchange = exchange.to_owned();
                FaultInfo { exchange, fault: self.fault, since, until, $($field: self.$field.clone(),)+ }
            }
        }

        impl TimedFault {
            pub(super) fn to_new_fault(&self) -> NewFault {
                NewFault { fault: self.fault, seconds: self.seconds, $($field: self.$field.clone(),)+ }
            }
        }
    };
}

fault_payloads! {
    /// For `lie_factor`: prices are multiplied by this number, above 0 and at most 1000. The default is 0.4.
    factor: DecimalText,
    /// For faults of prices: the only pair that the fault applies to, such as `BTC-USD`. The default is every pair.
    direction: CurrencyPair,
    /// For `rate_limited` and `ip_banned`: the `Retry-After` in seconds, 1 to 259200. The default is the exchange's usual
    /// value for `rate_limited`, and 120 for `ip_banned`.
    #[oai(validator(minimum(value = "1"), maximum(value = "259200")))]
    retry_after: u64,
    /// For `slow` and `throttled`: a delay in milliseconds, 1 to 25000. The defaults are 20000 and 1000. `slow` delays
    /// every answer by this time. `throttled` delays the first answer by this time, the second answer by twice this
    /// time, and so on, up to 25000 milliseconds.
    #[oai(validator(minimum(value = "1"), maximum(value = "25000")))]
    latency_millis: u64,
    /// For `html_520`: the status, 400 to 599. The default is 520.
    #[oai(validator(minimum(value = "400"), maximum(value = "599")))]
    status: u16,
    /// For `clock_skew`: the lead of the exchange's clock in seconds, negative for a clock that is behind. The default is
    /// -3600.
    #[oai(validator(minimum(value = "-31536000"), maximum(value = "31536000")))]
    skew_seconds: i64,
    /// For `old_fixing`: the age of the fixing in days, 1 to 3650. The default is 5.
    #[oai(validator(minimum(value = "1"), maximum(value = "3650")))]
    days: u32,
    /// For `odd_numbers`: the format of prices. The default is `thousands`.
    number_form: NumberFormat,
    /// For `odd_times`: the format of times. The default is `absent`.
    time_form: TimeFormat,
}

/// Faults and moves of the market, and when they start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub(crate) struct Timeline {
    #[serde(default)]
    #[oai(default)]
    pub(crate) timeline: Vec<TimedFault>,
    /// Moves of the whole market.
    #[serde(default)]
    #[oai(default)]
    pub(crate) market: Vec<MarketMove>,
}
