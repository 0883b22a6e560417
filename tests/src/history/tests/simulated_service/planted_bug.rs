//! The bugs that the checker has to detect.

/// The bug that the simulated service contains.
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
    /// If the response is lost, the service places the order again with a generated key.
    PlacesAgainWithGeneratedKey,
    /// The response to a retry is computed again, with the current price time.
    RecomputedReplay,
    SequenceGap,
    /// An order is placed, and its response is a refusal.
    RefusedAfterPlacing,
    SumNotUpdated,
    /// An order is created one microsecond before the previous order.
    ClockMovesBackwards,
    QuoteTakenTwice,
    UnreleasedReservation,
    /// The price time of a stored order differs from the price time that was acknowledged.
    StoredDifferently,
    /// A replay is acknowledged as a new order.
    ReplayReportedAsNew,
    /// An order with a new key is refused with `idempotency_key_reused`.
    RefusesNewKey,
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
