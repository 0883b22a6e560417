//! The permissions of services for the internal endpoints of other services.

use crate::config::Caller;

/// The permission that an internal endpoint requires. Callers authenticate by tokens; see
/// [`AcceptedCallers`](crate::config::AcceptedCallers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Placing orders; creating, reading and releasing quotes; reading and setting the limit over all orders.
    OrderWriter,
    /// Reading orders and courses.
    HistoryReader,
    /// Publishing prices and market snapshots, storing courses, and acquiring leases.
    PriceWriter,
    /// Reading the market snapshot and the event stream of price-cache-proxy.
    PriceReader,
    /// Creating, changing, reading and listing users and their keys.
    UserAdmin,
    /// Creating and reading wallets, moving money, and verifying the journal.
    WalletWriter,
    /// Authenticating API keys: reading the record of a key, and recording the last uses of keys.
    KeyReader,
    /// Sending reports to health-check.
    Reporter,
    /// The internal endpoints that only operators may use.
    Operator,
}

impl Permission {
    /// The services that have the permission.
    pub fn callers(self) -> &'static [Caller] {
        match self {
            Self::OrderWriter => &[Caller::CREATE_ORDER],
            Self::HistoryReader => &[Caller::CREATE_ORDER, Caller::FETCH_ORDERS, Caller::RATES],
            Self::PriceWriter => &[Caller::PRICE_UPDATER],
            Self::PriceReader => &[Caller::CREATE_ORDER, Caller::RATES, Caller::PRICE_UPDATER],
            Self::UserAdmin => &[Caller::USERS],
            Self::WalletWriter => &[Caller::WALLETS],
            Self::KeyReader => &[Caller::CREATE_ORDER, Caller::FETCH_ORDERS, Caller::USERS, Caller::WALLETS],
            Self::Reporter => &[
                Caller::CREATE_ORDER,
                Caller::FETCH_ORDERS,
                Caller::RATES,
                Caller::USERS,
                Caller::WALLETS,
                Caller::PRICE_UPDATER,
                Caller::DB_PROXY,
                Caller::PRICE_CACHE_PROXY,
                Caller::HEALTH_CHECK,
                Caller::EXCHANGE_SIM,
                Caller::BUYDESK,
            ],
            Self::Operator => &[],
        }
    }

    /// Whether a caller has the permission. [`Caller::OPERATOR`] has every permission.
    pub fn permits(self, caller: Caller) -> bool {
        caller == Caller::OPERATOR || self.callers().contains(&caller)
    }
}
