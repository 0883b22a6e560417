mod reference_model;

use std::time::Duration;

use common::{config::Caller, ids::UserId, money::Money};
use uuid::Uuid;

use super::*;
use crate::wallets::records::{Entry, LockedWallets};

/// The tables that the policy uses, in memory.
struct Journal {
    wallets: HashMap<WalletId, StoredWallet>,
    movements: HashMap<ClientKey, Movement>,
    refusals: HashMap<RefusalKey, RecordedRefusal>,
    now: Timestamp,
}

impl Journal {
    fn new(wallets: impl IntoIterator<Item = StoredWallet>) -> Self {
        Self {
            wallets: wallets.into_iter().map(|wallet| (wallet.id, wallet)).collect(),
            movements: HashMap::new(),
            refusals: HashMap::new(),
            now: start(),
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            locked: LockedWallets { wallets: self.wallets.clone(), refusals: self.refusals.clone(), locked_at: None },
            movements: self.movements.clone(),
            now: self.now,
        }
    }

    fn apply(&mut self, changes: ChangeSet) {
        self.wallets.extend(changes.wallets.into_iter().map(|wallet| (wallet.id, wallet)));
        self.movements.extend(changes.movements.into_iter().map(|new| (new.key, new.movement)));
        self.refusals.extend(changes.refusals);
    }

    /// Decides and commits a batch.
    fn commit(&mut self, commands: &mut [MoveMoneyCommand]) -> Vec<Decision> {
        let Decided { decisions, changes } = decide_batch(self.snapshot(), commands);
        self.apply(changes.unwrap_or_default());
        decisions
    }

    fn commit_one(&mut self, mut command: MoveMoneyCommand) -> Decision {
        self.commit(std::slice::from_mut(&mut command)).remove(0)
    }

    fn balance(&self, wallet: u128) -> String {
        self.wallets[&id(wallet)].balance.to_string()
    }
}

fn start() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn id(number: u128) -> WalletId {
    WalletId(Uuid::from_u128(number))
}

/// A wallet without an owner.
fn wallet(number: u128, code: &str, units: i64) -> StoredWallet {
    let currency = code.parse().unwrap();
    StoredWallet {
        id: id(number),
        currency,
        user_id: None,
        balance: Money::new(currency, units).unwrap(),
        entries: 0,
        created_at: start(),
        last_entry_at: start(),
        last_refused_at: start(),
    }
}

fn command(key: &str, terms: MoveTerms) -> MoveMoneyCommand {
    MoveMoneyCommand {
        key: ClientKey { client: "anonymous".to_owned(), key: key.parse().unwrap() },
        owner: OwnerFilter::Anonymous,
        terms,
        requested_at: start(),
        written_by: Caller::WALLETS,
        attempted_ids: Vec::new(),
    }
}

fn operation(key: &str, operation_type: OperationType, wallet: u128, amount: &str) -> MoveMoneyCommand {
    command(key, MoveTerms::Operation { operation_type, wallet: id(wallet), amount: amount.parse().unwrap() })
}

fn deposit(key: &str, wallet: u128, amount: &str) -> MoveMoneyCommand {
    operation(key, OperationType::Deposit, wallet, amount)
}

fn withdraw(key: &str, wallet: u128, amount: &str) -> MoveMoneyCommand {
    operation(key, OperationType::Withdraw, wallet, amount)
}

fn transfer(key: &str, from: u128, to: u128, amount: &str) -> MoveMoneyCommand {
    command(key, MoveTerms::Transfer { from: id(from), to: id(to), amount: amount.parse().unwrap() })
}

#[track_caller]
fn moved(decision: &Decision) -> (&Movement, bool) {
    match decision {
        Decision::Moved { movement, replayed, .. } => (movement, *replayed),
        Decision::Refused(refused) => panic!("refused: {refused:?}"),
    }
}

#[track_caller]
fn refused(decision: &Decision) -> MoveRefused {
    match decision {
        Decision::Refused(refused) => *refused,
        Decision::Moved { .. } => panic!("not refused: {decision:?}"),
    }
}

fn reason(decision: &Decision) -> MoveRefusalReason {
    refused(decision).reason
}

#[test]
fn each_operation_of_a_batch_starts_from_the_balance_that_the_previous_operation_left() {
    let mut journal = Journal::new([wallet(1, "USD", 0)]);
    let decisions = journal.commit(&mut [
        withdraw("a", 1, "1"),
        deposit("b", 1, "10.5"),
        withdraw("c", 1, "10.5001"),
        withdraw("d", 1, "10.5"),
        deposit("e", 1, "2"),
    ]);
    assert_eq!(refused(&decisions[0]).balance.unwrap().to_string(), "0.00");
    assert_eq!(refused(&decisions[2]).balance.unwrap().to_string(), "10.50");
    let accounts = [1, 3, 4].map(|index| moved(&decisions[index]).0.entries[0]);
    let expected = [(1, "10.50", 105_000), (2, "0.00", -105_000), (3, "2.00", 20_000)];
    for (entry, (number, balance, amount)) in accounts.into_iter().zip(expected) {
        let account = Account::Wallet { id: id(1), number, balance: balance.parse().unwrap() };
        assert_eq!(entry, Entry { account, currency: Currency::USD, amount });
    }
    assert_eq!((journal.balance(1).as_str(), journal.wallets[&id(1)].entries), ("2.00", 3));
}

#[test]
fn operation_has_a_second_entry_on_the_account_for_outside_money() {
    let mut journal = Journal::new([wallet(1, "BTC", 0)]);
    let decisions = journal.commit(&mut [deposit("a", 1, "0.00000003"), withdraw("b", 1, "0.00000001")]);
    for (decision, amount) in decisions.iter().zip([-3, 1]) {
        let entries = &moved(decision).0.entries;
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1], Entry { account: Account::Outside, currency: Currency::BTC, amount });
    }
    assert_eq!(journal.balance(1), "0.00000002");
}

#[test]
fn transfer_changes_both_balances_by_the_same_amount_or_changes_neither() {
    let mut journal = Journal::new([wallet(1, "EUR", 50_000), wallet(2, "EUR", Money::MAX_UNITS - 10_000)]);
    let decisions = journal.commit(&mut [transfer("a", 1, 2, "2"), transfer("b", 1, 2, "6"), transfer("c", 1, 2, "1")]);
    let out_of_range = refused(&decisions[0]);
    assert_eq!((out_of_range.reason, out_of_range.wallet_id), (MoveRefusalReason::BalanceOutOfRange, Some(id(2))));
    let insufficient = refused(&decisions[1]);
    assert_eq!((insufficient.reason, insufficient.wallet_id), (MoveRefusalReason::InsufficientFunds, Some(id(1))));
    let amounts: Vec<_> = moved(&decisions[2]).0.entries.iter().map(|entry| entry.amount).collect();
    assert_eq!(amounts, [-10_000, 10_000]);
    assert_eq!([journal.balance(1), journal.balance(2)], ["4.00", "99999999999999.9999"]);
}

#[test]
fn repeated_request_receives_the_first_movement_and_another_request_with_its_key_is_refused() {
    let mut journal = Journal::new([wallet(1, "USD", 0), wallet(2, "USD", 0), wallet(3, "USD", 0)]);
    let first = journal.commit_one(deposit("a", 1, "5"));
    journal.commit_one(withdraw("b", 1, "5"));
    let again = journal.commit_one(deposit("a", 1, "5.00"));
    assert_eq!((moved(&again).0, moved(&again).1), (moved(&first).0, true));
    for other in [deposit("a", 1, "6"), withdraw("a", 1, "5"), deposit("a", 2, "5"), transfer("a", 1, 2, "5")] {
        assert_eq!(reason(&journal.commit_one(other)), MoveRefusalReason::KeyReused);
    }
    journal.commit_one(deposit("c", 1, "5"));
    let first = journal.commit_one(transfer("d", 1, 2, "5"));
    assert_eq!(moved(&journal.commit_one(transfer("d", 1, 2, "5"))).0, moved(&first).0);
    let other_wallets = [transfer("d", 2, 1, "5"), transfer("d", 1, 3, "5"), transfer("d", 3, 2, "5")];
    for other in other_wallets.into_iter().chain([transfer("d", 1, 2, "4"), withdraw("d", 1, "5")]) {
        assert_eq!(reason(&journal.commit_one(other)), MoveRefusalReason::KeyReused);
    }
    let other_client = ClientKey { client: "user:1".to_owned(), ..deposit("d", 2, "1").key };
    let other = MoveMoneyCommand { key: other_client, ..deposit("d", 2, "1") };
    assert!(!moved(&journal.commit_one(other)).1);
}

#[test]
fn retry_by_the_writer_of_a_committed_command_is_not_marked_as_a_replay() {
    let mut journal = Journal::new([wallet(1, "USD", 0)]);
    let mut retried = deposit("a", 1, "5");
    let first = journal.commit(std::slice::from_mut(&mut retried)).remove(0);
    assert_eq!(journal.commit(std::slice::from_mut(&mut retried)).remove(0), first);
    assert_eq!(journal.balance(1), "5.00");
}

#[test]
fn wallets_of_other_owners_and_unknown_wallets_are_not_found() {
    let (ada, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
    let of = |user, wallet| StoredWallet { user_id: Some(user), ..wallet };
    let mut journal =
        Journal::new([of(ada, wallet(1, "USD", 90)), of(bob, wallet(2, "USD", 90)), wallet(3, "USD", 90)]);
    let as_owner = |owner, command| MoveMoneyCommand { owner, ..command };
    let ada = OwnerFilter::User(ada);
    for (owner, command, missing) in [
        (ada, deposit("a", 2, "1"), 2),
        (ada, deposit("a", 3, "1"), 3),
        (ada, transfer("a", 2, 1, "0.0001"), 2),
        (ada, transfer("a", 1, 4, "0.0001"), 4),
        (OwnerFilter::Anonymous, deposit("a", 1, "1"), 1),
        (OwnerFilter::Anonymous, transfer("a", 2, 3, "1"), 2),
        (OwnerFilter::Everybody, deposit("a", 4, "1"), 4),
    ] {
        let decision = journal.commit_one(as_owner(owner, command));
        let refused = refused(&decision);
        let expected = refusal_of(MoveRefusalReason::WalletNotFound, id(missing));
        assert_eq!(refused, expected);
    }
    for (owner, command) in [
        (ada, deposit("b", 1, "1")),
        (OwnerFilter::Anonymous, deposit("c", 3, "1")),
        (OwnerFilter::Everybody, transfer("d", 1, 2, "1")),
    ] {
        moved(&journal.commit_one(as_owner(owner, command)));
    }
}

/// Wallet 1 of Ada with 9.00 USD, and wallet 2 of Bob with the currency and the units in `bob`. Also returns the owner
/// filter of Ada.
fn wallets_of_ada_and_bob(bob: (&str, i64)) -> (Journal, OwnerFilter) {
    let of = |user, wallet| StoredWallet { user_id: Some(UserId(Uuid::from_u128(user))), ..wallet };
    let journal = Journal::new([of(1, wallet(1, "USD", 90_000)), of(2, wallet(2, bob.0, bob.1))]);
    (journal, OwnerFilter::User(UserId(Uuid::from_u128(1))))
}

#[test]
fn transfer_to_a_wallet_of_another_owner_hides_its_balance_even_if_repeated() {
    let (mut journal, ada) = wallets_of_ada_and_bob(("USD", 0));
    let as_owner = |owner, command| MoveMoneyCommand { owner, ..command };
    let first = journal.commit_one(as_owner(ada, transfer("a", 1, 2, "1")));
    let again = journal.commit_one(as_owner(ada, transfer("a", 1, 2, "1")));
    for decision in [&first, &again] {
        assert!(matches!(decision, Decision::Moved { shows_receiver: false, .. }), "{decision:?}");
    }
    assert_eq!([journal.balance(1), journal.balance(2)], ["8.00", "1.00"]);
    let of_operator = journal.commit_one(as_owner(OwnerFilter::Everybody, transfer("b", 1, 2, "1")));
    assert!(matches!(of_operator, Decision::Moved { shows_receiver: true, .. }), "{of_operator:?}");
}

#[test]
fn refusal_because_of_a_wallet_of_another_owner_does_not_show_its_balance() {
    let hidden = |reason| MoveRefused { reason, wallet_id: Some(id(2)), balance: None, currency: None };
    let (mut journal, ada) = wallets_of_ada_and_bob(("USD", Money::MAX_UNITS));
    let full = MoveMoneyCommand { owner: ada, ..transfer("a", 1, 2, "1") };
    let expected = hidden(MoveRefusalReason::BalanceOutOfRange);
    assert_eq!(refused(&journal.commit_one(full.clone())), expected);
    // The delayed duplicate receives the recorded refusal.
    assert_eq!(refused(&journal.commit_one(full)), expected);
    let own = MoveMoneyCommand { owner: ada, ..transfer("b", 1, 2, "9.0001") };
    assert_eq!(refused(&journal.commit_one(own)).balance.unwrap().to_string(), "9.00");

    let (mut journal, ada) = wallets_of_ada_and_bob(("EUR", 0));
    let mismatch = MoveMoneyCommand { owner: ada, ..transfer("a", 1, 2, "1") };
    let refused = refused(&journal.commit_one(mismatch));
    assert_eq!((refused.wallet_id, refused.currency), (Some(id(1)), Some(Currency::USD)));
}

#[test]
fn request_with_invalid_terms_is_refused_without_a_change() {
    let journal = Journal::new([wallet(1, "USD", 50_000), wallet(2, "BTC", 0)]);
    for (command, reason, wallet, currency) in [
        (transfer("a", 1, 2, "1"), MoveRefusalReason::CurrencyMismatch, 1, Some(Currency::USD)),
        (transfer("a", 1, 1, "1"), MoveRefusalReason::SameWallet, 1, None),
        (deposit("a", 1, "0.00001"), MoveRefusalReason::TooManyDecimals, 1, Some(Currency::USD)),
    ] {
        let Decided { decisions, changes } = decide_batch(journal.snapshot(), &mut [command]);
        let expected = MoveRefused { reason, wallet_id: Some(id(wallet)), balance: None, currency };
        assert_eq!((refused(&decisions[0]), changes), (expected, None));
    }
}

#[test]
fn delayed_duplicate_of_a_refused_request_is_refused() {
    let mut journal = Journal::new([wallet(1, "USD", 0)]);
    let at = |seconds: u64| start().plus(Duration::from_secs(seconds));
    let requested = |command, seconds| MoveMoneyCommand { requested_at: at(seconds), ..command };
    journal.now = at(10);
    let first = journal.commit_one(requested(withdraw("a", 1, "5"), 9));
    assert_eq!(reason(&first), MoveRefusalReason::InsufficientFunds);
    assert_eq!(journal.wallets[&id(1)].last_refused_at, at(10));
    journal.now = at(20);
    moved(&journal.commit_one(deposit("b", 1, "100")));
    // The copy was requested before the refusal, and waited in another queue.
    assert_eq!(journal.commit_one(requested(withdraw("a", 1, "5"), 8)), first);
    // A request with another key, and a later request with the same key, are decided anew.
    moved(&journal.commit_one(requested(withdraw("c", 1, "5"), 8)));
    let later = journal.commit_one(requested(withdraw("a", 1, "5"), 11));
    assert!(!moved(&later).1);
    // A copy that was requested before the refusal now receives the movement, although the refusal is recorded.
    assert!(moved(&journal.commit_one(requested(withdraw("a", 1, "5"), 8))).1);
}

#[test]
fn successive_movements_of_a_wallet_have_increasing_times_and_ids_even_if_the_clock_goes_back() {
    let mut journal = Journal::new([wallet(1, "USD", 0), wallet(2, "USD", 0)]);
    let first = journal.commit(&mut [deposit("a", 1, "1"), deposit("b", 1, "1"), transfer("c", 1, 2, "1")]);
    journal.now = start().minus(Duration::from_secs(60));
    let second = journal.commit(&mut [deposit("d", 2, "1"), deposit("e", 1, "1")]);
    let movements: Vec<_> = first.iter().chain(&second).map(|decision| moved(decision).0).collect();
    for (a, b) in [(0, 1), (1, 2), (2, 3), (2, 4)] {
        assert!(movements[a].created_at < movements[b].created_at && movements[a].id < movements[b].id);
    }
}
