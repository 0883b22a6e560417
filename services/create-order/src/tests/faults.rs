//! The states of an idempotency key, and the faults of the dispatcher, the connection to db-proxy, and db-proxy.

use common::api::Code;

/// The key that the client sends.
pub const CLIENT_KEY: &str = "a-key";

/// The idempotency key of the request, and the order that exists for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// The client sends no key.
    Generated,
    Unused,
    /// An earlier request placed the same order.
    PlacedBefore,
    /// An earlier request placed another order.
    PlacedForOtherOrder,
}

impl KeyState {
    pub const ALL: [Self; 4] = [Self::Generated, Self::Unused, Self::PlacedBefore, Self::PlacedForOtherOrder];

    /// The key that the client sends.
    pub fn header(self) -> Option<&'static str> {
        (self != Self::Generated).then_some(CLIENT_KEY)
    }
}

/// A fault of the dispatcher, of the connection to db-proxy, or of db-proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteFault {
    None,
    /// Every new order is refused.
    LimitReached,
    /// The queue of the dispatcher is full.
    QueueFull,
    /// The dispatcher has stopped.
    Stopping,
    /// No connection to db-proxy can be opened.
    Unreachable,
    /// The API key of the request cannot be checked.
    ApiKeyUnchecked,
    Problem(Code),
    /// Every attempt is received, and no response arrives.
    LostResponse {
        placed: bool,
    },
    /// The first attempt is received and gets no response. The last attempt cannot connect.
    LostThenUnreachable {
        placed: bool,
    },
    /// The first attempt is received and gets no response. The last attempt gets a decision.
    LostThenDecided {
        placed: bool,
    },
    /// The first attempt is received, waits in a queue, and gets no response. The last attempt is refused.
    LostThenRefused,
    InvalidResponse,
    /// The response contains more outcomes than orders were sent.
    WrongCount,
    /// The outcome has neither an order nor a refusal.
    EmptyOutcome,
    Panics,
    Hangs,
}

impl RemoteFault {
    pub fn all() -> Vec<Self> {
        let problems = [
            Code::DatabaseUnavailable,
            Code::Overloaded,
            Code::OutcomeUnknown,
            Code::ShuttingDown,
            Code::Unauthorized,
            Code::ValidationFailed,
            Code::Internal,
        ];
        let mut all = vec![
            Self::None,
            Self::LimitReached,
            Self::QueueFull,
            Self::Stopping,
            Self::Unreachable,
            Self::ApiKeyUnchecked,
            Self::LostThenRefused,
            Self::InvalidResponse,
            Self::WrongCount,
            Self::EmptyOutcome,
            Self::Panics,
            Self::Hangs,
        ];
        all.extend(problems.map(Self::Problem));
        for placed in [true, false] {
            all.extend([
                Self::LostResponse { placed },
                Self::LostThenUnreachable { placed },
                Self::LostThenDecided { placed },
            ]);
        }
        all
    }

    /// Whether the fault is a defect of the program, so that the response may be a 500.
    pub fn is_defect(self) -> bool {
        matches!(self, Self::Problem(Code::ValidationFailed | Code::Internal) | Self::Panics)
    }
}
