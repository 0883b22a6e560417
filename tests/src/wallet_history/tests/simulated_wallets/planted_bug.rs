//! The bugs that the checker has to detect.

/// The bug that the service contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    None,
    /// An entry of a movement is not stored.
    LostEntry,
    /// A deposit is booked twice.
    DoubledDeposit,
    /// A movement is acknowledged before the commit, and a crash loses it.
    AcknowledgedBeforeCommit,
    /// A transfer takes the money from one wallet and adds it to none.
    HalfTransfer,
    /// A transfer adds money from the outside world instead of taking it from the wallet.
    TransferFromOutside,
    /// An idempotency key is lost, and a retry moves the money again.
    LostKey,
    /// The response to a retry is computed again, with the current time.
    RecomputedReplay,
    /// A replay is acknowledged as a new movement.
    ReplayReportedAsNew,
    /// The money is moved, and the response is a refusal.
    DeniedAfterMoving,
    /// A withdrawal is refused although the wallet has the money.
    FalseRefusal,
    /// A withdrawal takes more than the wallet has.
    NegativeBalance,
    /// The balance of the wallet does not change with its entry.
    BalanceNotUpdated,
    /// The amount of an entry is changed after it was stored.
    EntryChanged,
    /// A client withdraws from a wallet of another owner.
    ChangesWalletOfAnother,
    /// A read returns a balance that the wallet did not have.
    WrongRead,
    /// The list of the operations of each wallet lacks one operation.
    OperationNotListed,
    VerificationFails,
    InternalError,
}
