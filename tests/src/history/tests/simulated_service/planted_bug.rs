//! The bugs that the checker has to detect.

/// The bug that the service contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    None,
    /// A key is lost, and a retry places a second order.
    LostKey,
    /// An order is acknowledged before the commit, and a crash loses it.
    AcknowledgedBeforeCommit,
    /// The limit is enforced one satoshi too low.
    LimitTooLow,
    /// The limit is enforced one satoshi too high.
    LimitTooHigh,
    /// An order without a response is retried with another key.
    RetryWithoutKey,
    /// The response to a retry is computed again, with the current price time.
    RecomputedReplay,
    SequenceGap,
    /// A placed order is answered with a refusal.
    DeniedAfterPlacing,
    SumNotUpdated,
    /// An order is created one microsecond before the previous order.
    ClockMovesBackwards,
    QuoteTakenTwice,
    UnreleasedReservation,
    /// The price time of a stored order differs from the price time that was acknowledged.
    StoredDifferently,
    /// A replay is acknowledged as a new order.
    ReplayReportedAsNew,
    FalseKeyReuse,
    InternalError,
    /// Users share idempotency keys, so a user receives the order of another user.
    SharedKeys,
    /// An order takes the quote of another user.
    TakesQuoteOfAnother,
    /// A page contains an order of another owner.
    ShowsOrderOfAnother,
    /// A complete list lacks an order.
    OrderNotListed,
    /// A complete list contains an order twice.
    OrderListedTwice,
}
