//! Several writers on one database, like those of several processes of db-proxy.

use std::sync::Arc;

use common::{
    api::{orders::OwnerFilter, wallets::MoveRefusalReason},
    ids::{UserId, WalletId},
    metrics::Metrics,
};
use db_proxy::{
    group_commit::{WriteHealth, WriterHandle, WriterMetrics},
    wallets::{MoveMoneyCommand, WalletBatchStore, WalletStore, outcome_of},
};
use tests::{Stack, on_both_stacks};
use tokio::{
    sync::Barrier,
    task::{JoinHandle, JoinSet},
};
use uuid::Uuid;

use super::{
    super::{Fixture, unchecked_clock},
    MoveOutcome, commit, deposit, has_moved,
    owners::of_user,
    reason, transfer, withdraw,
};

on_both_stacks!(
    concurrent_operations_on_one_wallet_are_exact,
    opposite_transfers_neither_block_nor_lose_money,
    payments_of_many_users_into_one_wallet_are_exact,
    one_key_through_all_writers_moves_money_once,
    same_keys_for_different_wallets_move_money_once,
    retry_of_an_aborted_movement_moves_money_once,
);

const WRITERS: usize = 4;

struct Writers {
    writers: Vec<WriterHandle<WalletBatchStore>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    async fn new(fixture: &Fixture) -> Self {
        let (mut writers, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..WRITERS {
            let batches =
                WalletBatchStore { store: fixture.another_wallet_store().await, clock_check: unchecked_clock() };
            let metrics = WriterMetrics::register(&Metrics::new("test"), "movement");
            let (writer, task) = WriterHandle::new(batches, metrics, WriteHealth::default());
            writers.push(writer);
            tasks.push(tokio::spawn(task));
        }
        Self { writers, tasks }
    }

    /// Distributes the commands over the writers, and submits them concurrently. Returns the outcomes in the order of
    /// the commands.
    async fn move_all(&self, commands: impl IntoIterator<Item = MoveMoneyCommand>) -> Vec<MoveOutcome> {
        let mut requests = JoinSet::new();
        for (index, command) in commands.into_iter().enumerate() {
            let writer = self.writers[index % WRITERS].clone();
            requests.spawn(async move {
                let decision = writer.submit(vec![command]).await.remove(0).expect("each command is decided");
                (index, outcome_of(&decision).unwrap())
            });
        }
        let mut outcomes = requests.join_all().await;
        outcomes.sort_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    async fn shut_down(self) {
        drop(self.writers);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn concurrent_operations_on_one_wallet_are_exact(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let wallet = fixture.create_wallet("USD").await;
    let writers = Writers::new(&fixture).await;
    let amount = |n: usize| (n * 31 + 7) % 43 + 1;
    // Two withdrawals for each deposit, so that some withdrawals are refused.
    let command = |n: usize| {
        let amount = amount(n).to_string();
        if n.is_multiple_of(3) { deposit(n, wallet, &amount) } else { withdraw(n, wallet, &amount) }
    };
    let outcomes = writers.move_all((0..600).map(command)).await;
    let mut expected = 0_i64;
    for (n, outcome) in outcomes.iter().enumerate() {
        let units = i64::try_from(amount(n)).unwrap();
        match (reason(outcome), n.is_multiple_of(3)) {
            (None, true) => expected += units,
            (None, false) => expected -= units,
            (Some(MoveRefusalReason::InsufficientFunds), false) => {
                // A refused withdrawal is larger than the balance.
                let balance = outcome.refused.unwrap().balance.unwrap().units();
                assert!(balance < units * 10_000, "{outcome:?}");
            }
            (Some(reason), _) => panic!("{n}: {reason:?}"),
        }
    }
    let refused = outcomes.iter().filter(|outcome| !has_moved(outcome)).count();
    assert!(refused > 0 && refused < 400, "{refused} withdrawals are refused");
    assert_eq!(fixture.balance(wallet).await, format!("{expected}.00"));
    let moved = u64::try_from(outcomes.len() - refused).unwrap();
    let checked = fixture.check_journal().await;
    assert_eq!((checked.entries, checked.movements), (moved, moved));
    // The newest operation shows the final balance.
    let mut balances: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.operation.as_ref()).collect();
    balances.sort_by_key(|operation| operation.created_at);
    assert_eq!(balances.last().unwrap().balance.to_string(), format!("{expected}.00"));
    writers.shut_down().await;
}

async fn opposite_transfers_neither_block_nor_lose_money(stack: Stack) {
    const WALLETS: usize = 4;
    let fixture = Fixture::new(stack).await;
    let mut wallets: Vec<WalletId> = Vec::new();
    for _ in 0..WALLETS {
        wallets.push(fixture.create_wallet("USD").await);
    }
    let start: Vec<_> = wallets.iter().map(|wallet| deposit(format!("start-{wallet}"), *wallet, "100")).collect();
    fixture.move_money(&start).await;
    let writers = Writers::new(&fixture).await;
    let transfers = (0..400).map(|n| {
        let (from, to) = (n % WALLETS, (n + 1 + n / WALLETS % (WALLETS - 1)) % WALLETS);
        let (from, to) = if n.is_multiple_of(2) { (from, to) } else { (to, from) };
        transfer(n, wallets[from], wallets[to], "7.0001")
    });
    let outcomes = writers.move_all(transfers).await;
    let refused = outcomes.iter().filter(|outcome| !has_moved(outcome)).count();
    assert!(outcomes.iter().all(|o| matches!(reason(o), None | Some(MoveRefusalReason::InsufficientFunds))));
    let sum = fixture.query_text("select cast(sum(balance) as text) from wallets").await;
    assert_eq!(sum, [[(400 * 10_000).to_string()]]);
    let checked = fixture.check_journal().await;
    assert_eq!(checked.movements, u64::try_from(WALLETS + outcomes.len() - refused).unwrap());
    writers.shut_down().await;
}

/// The users pay a shop. At the same time, the shop pays the users.
async fn payments_of_many_users_into_one_wallet_are_exact(stack: Stack) {
    const USERS: usize = 8;
    let fixture = Fixture::new(stack).await;
    let owner = UserId(Uuid::now_v7());
    let shop = fixture.create_wallet_of(Some(owner), "USD").await.id;
    let mut users = Vec::new();
    for _ in 0..USERS {
        let user = UserId(Uuid::now_v7());
        let wallet = fixture.create_wallet_of(Some(user), "USD").await.id;
        fixture.move_money(&[of_user(user, deposit("start", wallet, "100"))]).await;
        users.push((user, wallet));
    }
    let writers = Writers::new(&fixture).await;
    let commands = (0..400).map(|n| {
        let (user, wallet) = users[n % USERS];
        if n.is_multiple_of(4) {
            of_user(owner, transfer(n, shop, wallet, "1"))
        } else {
            of_user(user, transfer(n, wallet, shop, "1.5"))
        }
    });
    let outcomes = writers.move_all(commands).await;
    let mut expected = 0;
    for (n, outcome) in outcomes.iter().enumerate() {
        match reason(outcome) {
            None if n.is_multiple_of(4) => expected -= 10_000,
            None => expected += 15_000,
            Some(refusal) => assert_eq!(refusal, MoveRefusalReason::InsufficientFunds),
        }
        assert!(outcome.transfer.iter().all(|transfer| transfer.to_balance.is_none()), "{outcome:?}");
    }
    let shown = fixture.wallets().wallet(shop, OwnerFilter::User(owner)).await.unwrap().balance;
    assert_eq!(shown.units(), expected);
    let sum = fixture.query_text("select cast(sum(balance) as text) from wallets").await;
    assert_eq!(sum, [[(USERS * 1_000_000).to_string()]]);
    fixture.check_journal().await;
    writers.shut_down().await;
}

async fn one_key_through_all_writers_moves_money_once(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let wallet = fixture.create_wallet("USD").await;
    let writers = Writers::new(&fixture).await;
    let outcomes = writers.move_all((0..50).map(|_| deposit("a", wallet, "5"))).await;
    let first = outcomes[0].operation.clone();
    assert!(outcomes.iter().all(|outcome| outcome.operation == first), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| !outcome.replayed).count(), 1);
    assert_eq!(fixture.balance(wallet).await, "5.00");
    fixture.check_journal().await;
    writers.shut_down().await;
}

/// The batches lock different wallets, but have the same two keys.
async fn same_keys_for_different_wallets_move_money_once(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut stores: Vec<(WalletId, WalletStore)> = Vec::new();
    for _ in 0..WRITERS {
        stores.push((fixture.create_wallet("USD").await, fixture.another_wallet_store().await));
    }
    for round in 0..20 {
        let barrier = Arc::new(Barrier::new(WRITERS));
        let mut batches = JoinSet::new();
        for (number, (wallet, store)) in stores.iter().cloned().enumerate() {
            let barrier = Arc::clone(&barrier);
            // Half of the batches have the keys in the opposite order.
            let keys = if number.is_multiple_of(2) { ["a", "b"] } else { ["b", "a"] };
            batches.spawn(async move {
                let mut commands = keys.map(|key| deposit(format!("{round}-{key}"), wallet, "1"));
                barrier.wait().await;
                commit(&store, &mut commands).await
            });
        }
        let outcomes: Vec<_> = batches.join_all().await.into_iter().flatten().collect();
        let reused = outcomes.iter().filter(|o| reason(o) == Some(MoveRefusalReason::KeyReused)).count();
        let moved = outcomes.iter().filter(|o| has_moved(o) && !o.replayed).count();
        assert_eq!((moved, reused), (2, 2 * WRITERS - 2), "{outcomes:?}");
    }
    let checked = fixture.check_journal().await;
    assert_eq!(checked.movements, 40);
}

/// The test aborts transactions at different await points.
async fn retry_of_an_aborted_movement_moves_money_once(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (wallet, store) = (fixture.create_wallet("USD").await, fixture.wallets().store);
    for polls in 1..30 {
        let mut commands = [deposit(format!("aborted-{polls}"), wallet, "1")];
        {
            let mut commit = std::pin::pin!(commit(&store, &mut commands));
            for _ in 0..polls {
                if futures_util::poll!(commit.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // The retry moves the money once, whether the aborted attempt has committed or not.
        let retried = commit(&store, &mut commands).await.remove(0);
        assert!(has_moved(&retried), "{retried:?}");
    }
    assert_eq!(fixture.balance(wallet).await, "29.00");
    assert_eq!(fixture.check_journal().await.movements, 29);
}
