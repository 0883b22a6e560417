//! The ways in which calls of the fake db-proxy fail.

use common::api::Code;

/// How calls fail. `moves` is whether db-proxy moves the money, or creates the wallet, although its response is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    Unreachable,
    TokenRefused,
    Problem(Code),
    LostResponse {
        moves: bool,
    },
    /// An earlier attempt gets no response. The last attempt cannot connect.
    LostThenUnreachable {
        moves: bool,
    },
    /// An earlier attempt gets no response. The last attempt gets a decision.
    LostThenDecided {
        moves: bool,
    },
    InvalidResponse,
    /// The response has more outcomes than the request has commands.
    WrongCount,
    /// No outcome has an operation, a transfer or a refusal.
    EmptyOutcome,
    Panics,
    /// No response arrives before the deadline of the service `wallets`.
    Hangs,
}

impl Fault {
    pub const ALL: [Self; 20] = [
        Self::None,
        Self::Unreachable,
        Self::TokenRefused,
        Self::Problem(Code::DatabaseUnavailable),
        Self::Problem(Code::Overloaded),
        Self::Problem(Code::OutcomeUnknown),
        Self::Problem(Code::ShuttingDown),
        Self::Problem(Code::ValidationFailed),
        Self::Problem(Code::Internal),
        Self::LostResponse { moves: true },
        Self::LostResponse { moves: false },
        Self::LostThenUnreachable { moves: true },
        Self::LostThenUnreachable { moves: false },
        Self::LostThenDecided { moves: true },
        Self::LostThenDecided { moves: false },
        Self::InvalidResponse,
        Self::WrongCount,
        Self::EmptyOutcome,
        Self::Panics,
        Self::Hangs,
    ];

    /// Whether the fault is a defect of the program, so that the response may be a 500.
    pub fn is_defect(self) -> bool {
        matches!(self, Self::Problem(Code::ValidationFailed | Code::Internal) | Self::Panics)
    }
}
