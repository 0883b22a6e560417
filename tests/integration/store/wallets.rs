//! Wallets and their journal: movements and pages.

mod concurrency;
mod endpoints;
mod keys;
mod owners;
mod paid_orders;
mod verification;

use common::{
    api::{
        Problem,
        orders::{OwnerFilter, client_name},
        wallets::{
            CheckedRows, CreateWalletCommand, CreatedWallet, EntryType, MoveOutcome, MoveRefusalReason, OperationType,
            Violation, Wallet, WalletLookup,
        },
    },
    config::Caller,
    ids::{IdempotencyKey, UserId, WalletId},
    time::Timestamp,
};
use db_proxy::{
    group_commit::Attempt,
    wallets::{ClientKey, MoveMoneyCommand, MoveTerms, WalletService, WalletStore, outcome_of},
};
use tests::{Stack, on_both_stacks};
use uuid::Uuid;

use super::{Fixture, unchecked_clock};

on_both_stacks!(
    movements_are_stored_with_their_balances_and_replayed_exactly,
    refused_movement_does_not_affect_other_movements,
    retry_of_a_commit_with_unknown_outcome_is_not_a_replay,
    delayed_duplicate_is_refused_by_another_process,
    operations_are_listed_newest_first,
    wallets_are_listed_by_owner,
);

impl Fixture {
    fn wallets(&self) -> WalletService {
        WalletService { store: WalletStore::new(&self.connections), clock_check: unchecked_clock() }
    }

    /// The store of another process with the same database.
    async fn another_wallet_store(&self) -> WalletStore {
        WalletStore::new(&self.reconnect().await)
    }

    /// Creates an anonymous wallet.
    async fn create_wallet(&self, currency: &str) -> WalletId {
        self.create_wallet_of(None, currency).await.id
    }

    async fn create_wallet_of(&self, user_id: Option<UserId>, currency: &str) -> Wallet {
        self.create_with_key(IdempotencyKey::generate(), user_id, currency).await.unwrap().wallet
    }

    async fn create_with_key(
        &self,
        key: IdempotencyKey,
        user_id: Option<UserId>,
        currency: &str,
    ) -> Result<CreatedWallet, Problem> {
        let command = CreateWalletCommand { key, currency: currency.parse().unwrap(), user_id };
        self.wallets().create_wallet(command).await.map_err(Problem::from)
    }

    async fn balance(&self, id: WalletId) -> String {
        self.wallets().wallet(id, OwnerFilter::Everybody).await.unwrap().balance.to_string()
    }

    /// Decides and commits a batch.
    async fn move_money(&self, commands: &[MoveMoneyCommand]) -> Vec<MoveOutcome> {
        commit(&self.wallets().store, &mut commands.to_vec()).await
    }

    /// Checks the whole journal in small pages.
    async fn verify(&self) -> Verification {
        let (store, mut cursor, mut result) = (self.wallets().store, None, Verification::default());
        loop {
            let page = store.verify_journal(cursor, 3).await.unwrap();
            result.checked += page.checked;
            result.violations.extend(page.violations);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return result;
            }
        }
    }

    /// Asserts that the check of the journal finds no violation. Returns the number of checked rows.
    async fn check_journal(&self) -> CheckedRows {
        let Verification { checked, violations } = self.verify().await;
        assert_eq!(violations, []);
        checked
    }
}

/// The result of all pages of a verification.
#[derive(Debug, Default)]
struct Verification {
    checked: CheckedRows,
    violations: Vec<Violation>,
}

async fn commit(store: &WalletStore, commands: &mut [MoveMoneyCommand]) -> Vec<MoveOutcome> {
    let decisions = store.commit_batch(&unchecked_clock(), commands, &mut Attempt::default()).await.unwrap();
    decisions.iter().map(|decision| outcome_of(decision).unwrap()).collect()
}

fn command(key: impl std::fmt::Display, terms: MoveTerms) -> MoveMoneyCommand {
    MoveMoneyCommand {
        key: ClientKey { client: "anonymous".to_owned(), key: key.to_string().parse().unwrap() },
        owner: OwnerFilter::Anonymous,
        terms,
        requested_at: Timestamp::now(),
        written_by: Caller::WALLETS,
        attempted_ids: Vec::new(),
    }
}

fn deposit(key: impl std::fmt::Display, wallet: WalletId, amount: &str) -> MoveMoneyCommand {
    let amount = amount.parse().unwrap();
    command(key, MoveTerms::Operation { operation_type: OperationType::Deposit, wallet, amount })
}

fn withdraw(key: impl std::fmt::Display, wallet: WalletId, amount: &str) -> MoveMoneyCommand {
    let amount = amount.parse().unwrap();
    command(key, MoveTerms::Operation { operation_type: OperationType::Withdraw, wallet, amount })
}

fn transfer(key: impl std::fmt::Display, from: WalletId, to: WalletId, amount: &str) -> MoveMoneyCommand {
    command(key, MoveTerms::Transfer { from, to, amount: amount.parse().unwrap() })
}

/// Whether money moved, now or by an earlier request with the key.
fn has_moved(outcome: &MoveOutcome) -> bool {
    outcome.operation.is_some() || outcome.transfer.is_some()
}

fn reason(outcome: &MoveOutcome) -> Option<MoveRefusalReason> {
    outcome.refused.map(|refused| refused.reason)
}

/// The outcome of a replay. It differs from the first outcome only in `replayed`.
fn as_replay(outcome: &MoveOutcome) -> MoveOutcome {
    MoveOutcome { replayed: true, ..outcome.clone() }
}

async fn movements_are_stored_with_their_balances_and_replayed_exactly(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (usd, other, btc) =
        (fixture.create_wallet("USD").await, fixture.create_wallet("USD").await, fixture.create_wallet("BTC").await);
    let commands = [
        deposit("a", usd, "999999999.9999"),
        withdraw("b", usd, "0.0001"),
        transfer("c", usd, other, "1000"),
        deposit("d", btc, "0.00000001"),
        transfer("e", other, usd, "0.5"),
    ];
    let outcomes = fixture.move_money(&commands).await;
    let operation = outcomes[1].operation.as_ref().unwrap();
    assert_eq!((operation.wallet_id, operation.operation_type), (usd, EntryType::Withdraw));
    assert_eq!([operation.amount, operation.balance].map(|money| money.to_string()), ["0.0001", "999999999.9998"]);
    let moved = outcomes[2].transfer.as_ref().unwrap();
    assert_eq!((moved.from, moved.to), (usd, other));
    let money = [moved.amount, moved.from_balance, moved.to_balance.unwrap()].map(|money| money.to_string());
    assert_eq!(money, ["1000.00", "999998999.9998", "1000.00"]);
    let balances = [fixture.balance(usd).await, fixture.balance(other).await, fixture.balance(btc).await];
    assert_eq!(balances, ["999999000.4998", "999.50", "0.00000001"]);

    // Another process replays the stored outcomes after further movements.
    fixture.move_money(&[deposit("f", usd, "1"), deposit("g", btc, "1")]).await;
    let replayed = commit(&fixture.another_wallet_store().await, &mut commands.to_vec()).await;
    assert_eq!(replayed, outcomes.iter().map(as_replay).collect::<Vec<_>>());
    let texts = |outcomes: &[MoveOutcome]| serde_json::to_string(outcomes).unwrap();
    let first: Vec<_> = outcomes.iter().map(as_replay).collect();
    assert_eq!(texts(&replayed), texts(&first));

    let rows = fixture
        .query_text(
            "select kind, currency, cast(amount as text), coalesce(cast(balance as text), 'none')
            from entries_readable where currency = 'USD' order by movement_id, line",
        )
        .await;
    assert_eq!(
        rows[2..6],
        [
            ["withdrawal", "USD", "-0.0001", "999999999.9998"],
            ["withdrawal", "USD", "0.0001", "none"],
            ["transfer", "USD", "-1000.0000", "999998999.9998"],
            ["transfer", "USD", "1000.0000", "1000.0000"],
        ]
    );
    let wallets = fixture.query_text("select currency, cast(balance as text) from wallets_readable").await;
    assert_eq!(wallets, [["BTC", "1.00000001"], ["USD", "999.5000"], ["USD", "999999001.4998"]]);
    assert_eq!(fixture.check_journal().await, CheckedRows { wallets: 3, entries: 9, movements: 7, paid_orders: 0 });
}

async fn refused_movement_does_not_affect_other_movements(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (wallet, btc) = (fixture.create_wallet("EUR").await, fixture.create_wallet("BTC").await);
    let unknown = WalletId(Uuid::now_v7());
    let outcomes = fixture
        .move_money(&[
            withdraw("a", wallet, "1"),
            deposit("b", wallet, "5"),
            deposit("c", unknown, "5"),
            transfer("d", wallet, btc, "1"),
            deposit("e", wallet, "0.00001"),
            deposit("b", wallet, "6"),
            withdraw("f", wallet, "5.0001"),
            withdraw("g", wallet, "5"),
        ])
        .await;
    let reasons: Vec<_> = outcomes.iter().map(reason).collect();
    assert_eq!(
        reasons,
        [
            Some(MoveRefusalReason::InsufficientFunds),
            None,
            Some(MoveRefusalReason::WalletNotFound),
            Some(MoveRefusalReason::CurrencyMismatch),
            Some(MoveRefusalReason::TooManyDecimals),
            Some(MoveRefusalReason::KeyReused),
            Some(MoveRefusalReason::InsufficientFunds),
            None,
        ]
    );
    assert_eq!(outcomes[6].refused.unwrap().balance.unwrap().to_string(), "5.00");
    assert_eq!(fixture.balance(wallet).await, "0.00");

    // Enough deposits for a balance of 18 digits would take too long, so the test sets the balance.
    let highest = fixture.create_wallet("EUR").await;
    fixture.move_money(&[deposit("h", highest, "1")]).await;
    let set_maximum = "update wallets set balance = 999999999999999999 where currency = 'EUR' and balance > 0";
    fixture.query_text(set_maximum).await;
    let refused = fixture.move_money(&[deposit("i", highest, "0.0001")]).await.remove(0);
    assert_eq!(reason(&refused), Some(MoveRefusalReason::BalanceOutOfRange));
    assert_eq!(refused.refused.unwrap().balance.unwrap().to_string(), "99999999999999.9999");
}

/// The response of the database to the first commit is lost. The commands then contain the ids of their movements, so
/// the second attempt recognizes its own movements, and does not report them as replays.
async fn retry_of_a_commit_with_unknown_outcome_is_not_a_replay(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let wallet = fixture.create_wallet("USD").await;
    let mut commands = [deposit("a", wallet, "5"), withdraw("b", wallet, "2"), withdraw("c", wallet, "9")];
    let first = commit(&fixture.wallets().store, &mut commands).await;
    assert_eq!(commit(&fixture.another_wallet_store().await, &mut commands).await, first);
    assert_eq!(fixture.balance(wallet).await, "3.00");
    assert_eq!(fixture.check_journal().await, CheckedRows { wallets: 1, entries: 2, movements: 2, paid_orders: 0 });
}

/// The first request of a client waits in the queue of one db-proxy, and another db-proxy refuses the retry. The first
/// request is refused too, although the wallet then has enough money.
async fn delayed_duplicate_is_refused_by_another_process(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let wallet = fixture.create_wallet("USD").await;
    let delayed = withdraw("a", wallet, "5");
    let refused = fixture.move_money(&[withdraw("a", wallet, "5")]).await.remove(0);
    assert_eq!(reason(&refused), Some(MoveRefusalReason::InsufficientFunds));
    let other = fixture.another_wallet_store().await;
    let outcomes = commit(&other, &mut [deposit("b", wallet, "9"), delayed, withdraw("c", wallet, "1")]).await;
    assert_eq!((has_moved(&outcomes[0]), &outcomes[1], has_moved(&outcomes[2])), (true, &refused, true));
    // A request that the client sends after the refusal is decided anew.
    let later = fixture.move_money(&[withdraw("a", wallet, "5")]).await.remove(0);
    assert!(has_moved(&later) && !later.replayed, "{later:?}");
    assert_eq!(fixture.balance(wallet).await, "3.00");
    fixture.check_journal().await;
}

async fn operations_are_listed_newest_first(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (wallet, other) = (fixture.create_wallet("USD").await, fixture.create_wallet("USD").await);
    for number in 1..=7 {
        fixture.move_money(&[deposit(number, wallet, &number.to_string()), deposit(-number, other, "1")]).await;
    }
    fixture.move_money(&[transfer("out", wallet, other, "1"), transfer("in", other, wallet, "2")]).await;
    let service = fixture.wallets();
    let (mut cursor, mut listed, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = service.list_operations(wallet, OwnerFilter::Anonymous, cursor, 3).await.unwrap();
        listed.extend(page.data);
        pages += 1;
        // A new operation does not change the pages after the cursor.
        fixture.move_money(&[deposit(format!("new-{pages}"), wallet, "1")]).await;
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, 3);
    let shown: Vec<_> = listed.iter().map(|row| (row.operation_type, row.amount.to_string())).collect();
    let deposits = (1..=7).rev().map(|number| (EntryType::Deposit, format!("{number}.00")));
    let transfers = [(EntryType::TransferIn, "2.00".to_owned()), (EntryType::TransferOut, "1.00".to_owned())];
    assert_eq!(shown, transfers.into_iter().chain(deposits).collect::<Vec<_>>());
    assert_eq!(listed[0].balance.to_string(), "29.00");
    assert!(listed.windows(2).all(|pair| pair[0].created_at > pair[1].created_at && pair[0].id > pair[1].id));
    let user = OwnerFilter::User(UserId(Uuid::now_v7()));
    assert!(service.list_operations(wallet, user, None, 3).await.is_err());
}

async fn wallets_are_listed_by_owner(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (ada, bob) = (UserId(Uuid::now_v7()), UserId(Uuid::now_v7()));
    let mut created = Vec::new();
    for user in [None, Some(ada), Some(bob), None, Some(ada), Some(ada), None] {
        created.push(fixture.create_wallet_of(user, "USD").await);
    }
    let service = fixture.wallets();
    for owner in [OwnerFilter::Everybody, OwnerFilter::Anonymous, OwnerFilter::User(ada), OwnerFilter::User(bob)] {
        let (mut cursor, mut listed) = (None, Vec::new());
        loop {
            let page = service.list_wallets(owner, cursor, 2).await.unwrap();
            listed.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<_> = created.iter().rev().filter(|wallet| owner.selects(wallet.user_id)).cloned().collect();
        assert_eq!(listed, expected, "{owner}");
        for wallet in &created {
            assert_eq!(service.wallet(wallet.id, owner).await.is_ok(), owner.selects(wallet.user_id), "{owner}");
        }
    }
    let ids = vec![created[0].id, created[2].id, WalletId(Uuid::now_v7())];
    let mut found = service.find_wallets(&WalletLookup { ids }).await.unwrap().wallets;
    found.sort_by_key(|wallet| wallet.id);
    assert_eq!(found, [created[0].clone(), created[2].clone()]);

    let wallet_of_ada = created[1].id;
    let deposit_by = |user| {
        let deposit = deposit("a", wallet_of_ada, "1");
        let key = ClientKey { client: client_name(Some(user)), ..deposit.key };
        MoveMoneyCommand { owner: OwnerFilter::User(user), key, ..deposit }
    };
    let outcomes = fixture.move_money(&[deposit_by(bob), deposit_by(ada)]).await;
    assert_eq!(outcomes.iter().map(reason).collect::<Vec<_>>(), [Some(MoveRefusalReason::WalletNotFound), None]);
}
