//! Orders that wallets pay: the order and its movement are stored in one transaction.

use std::collections::HashMap;

use common::{
    api::{
        orders::{Order, OrderWallets, OwnerFilter, RefusalReason, Refused},
        wallets::{CheckedRows, EntryType, MoveRefusalReason, ViolationKind},
    },
    ids::WalletId,
    metrics::Metrics,
    money::Sats,
    time::Timestamp,
};
use db_proxy::{
    group_commit::{Attempt, WriteHealth, WriterHandle, WriterMetrics},
    orders::{
        Command, Decision, DecisionClock, DecisionContext, OrderBatchStore, OrderMetrics, OrderStore, PlaceCommand,
    },
    wallets::{WalletBatchStore, outcome_of},
};
use tests::{Stack, on_both_stacks};
use tokio::task::JoinSet;

use super::{
    super::{Fixture, TestOrder, commands, commit, expect_placed, market_order, no_limit, sats, unchecked_clock},
    Verification, deposit, has_moved, reason, transfer,
};

on_both_stacks!(
    paid_order_is_stored_with_its_movement_and_replayed_exactly,
    missing_movement_of_a_paid_order_is_found_among_other_orders,
    order_without_funds_and_its_delayed_duplicate_are_refused_without_using_the_limit,
    aborted_transaction_stores_order_and_payment_or_neither,
    paid_orders_and_opposite_transfers_of_several_processes_are_exact,
);

/// Number of processes that write.
const PROCESSES: usize = 4;

/// The order, paid by a wallet.
fn paid(order: TestOrder, paying: WalletId, credited: Option<WalletId>) -> Command {
    let Command::Place(command) = commands(&[order]).remove(0) else { unreachable!("the command places an order") };
    Command::Place(PlaceCommand { wallets: Some(OrderWallets { paying, credited }), ..command })
}

fn euros(key: impl std::fmt::Display, amount: &str, satoshi: i64) -> TestOrder {
    TestOrder { amount: amount.parse().unwrap(), ..market_order(key, satoshi) }
}

async fn place(store: &OrderStore, mut commands: Vec<Command>, limit: Sats) -> Vec<Decision> {
    commit(store, &mut commands, limit, Timestamp::now()).await
}

fn refusal(decision: &Decision) -> &Refused {
    match decision {
        Decision::Refused(refused) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

async fn paid_order_is_stored_with_its_movement_and_replayed_exactly(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (euro, btc) = (fixture.create_wallet("EUR").await, fixture.create_wallet("BTC").await);
    fixture.move_money(&[deposit("a", euro, "100")]).await;
    let batch = || {
        vec![
            paid(euros("a", "69", 82_143), euro, Some(btc)),
            commands(&[market_order("plain", 5)]).remove(0),
            paid(euros("b", "30.5", 7), euro, None),
            paid(euros("c", "1", 7), euro, Some(btc)),
        ]
    };
    let decisions = place(&fixture.store, batch(), no_limit()).await;
    let order = expect_placed(&decisions[0]).0;
    assert_eq!((order.wallet_id, order.credit_wallet_id), (Some(euro), Some(btc)));
    assert_eq!(refusal(&decisions[3]).balance.unwrap().to_string(), "0.50");
    assert_eq!([fixture.balance(euro).await, fixture.balance(btc).await], ["0.50", "0.00082143"]);

    // Another process replays the same bytes, and reads an order by its id.
    let other = fixture.another_store().await;
    let replayed = place(&other, batch(), no_limit()).await;
    let text = |order: &Order| serde_json::to_string(order).unwrap();
    for index in 0..3 {
        let (again, is_replay) = expect_placed(&replayed[index]);
        assert_eq!((text(again), is_replay), (text(expect_placed(&decisions[index]).0), true));
    }
    let plain = expect_placed(&decisions[1]).0;
    assert!(!text(plain).contains("wallet"), "{}", text(plain));
    assert_eq!(other.orders_by_id(&[order.id]).await.unwrap(), std::slice::from_ref(order));
    for other_wallets in [paid(euros("a", "69", 82_143), euro, None), commands(&[euros("a", "69", 82_143)]).remove(0)] {
        let decision = place(&fixture.store, vec![other_wallets], no_limit()).await.remove(0);
        assert_eq!(refusal(&decision).reason, RefusalReason::KeyReused);
    }

    let listed = fixture.wallets().list_operations(euro, OwnerFilter::Anonymous, None, 9).await.unwrap().data;
    let shown: Vec<_> = listed.iter().map(|row| (row.operation_type, row.amount.to_string())).collect();
    let expected = [(EntryType::OrderOut, "30.50"), (EntryType::OrderOut, "69.00"), (EntryType::Deposit, "100.00")];
    assert_eq!(shown, expected.map(|(kind, amount)| (kind, amount.to_owned())));
    assert_eq!(listed[1].id.0, order.id.0);
    let rows = fixture
        .query_text(
            "select e.kind, e.currency, cast(e.amount as text), coalesce(cast(o.wallet_id as text), 'none')
            from entries_readable e join orders_readable o on o.id = e.movement_id
            where o.credit_wallet_id is not null order by e.line",
        )
        .await;
    let euro = euro.to_string();
    assert_eq!(
        rows,
        [
            ["order", "EUR", "-69.0000", euro.as_str()],
            ["order", "BTC", "0.00082143", euro.as_str()],
            ["order", "EUR", "69.0000", euro.as_str()],
            ["order", "BTC", "-0.00082143", euro.as_str()],
        ]
    );
    assert_eq!(
        fixture.query_text("select key from wallet_keys").await,
        [["a"]],
        "wallet_keys must not contain the key of an order"
    );
    assert_eq!(fixture.check_tables().await, (3, 82_143 + 5 + 7));
    fixture.check_journal().await;
    // The check finds an order whose wallet differs from the wallet of its movement.
    fixture.query_text("update orders set wallet_id = credit_wallet_id where credit_wallet_id is not null").await;
    let found: Vec<_> = fixture.verify().await.violations.iter().map(|violation| violation.kind).collect();
    assert_eq!(found, [ViolationKind::WrongOrder]);
}

async fn missing_movement_of_a_paid_order_is_found_among_other_orders(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let euro = fixture.create_wallet("EUR").await;
    fixture.move_money(&[deposit("a", euro, "100")]).await;
    let plain = |key: usize| commands(&[market_order(key, 5)]).remove(0);
    // More orders than a page has rows, before and after the payments.
    let mut batch: Vec<_> = (0..10).map(plain).collect();
    batch.push(paid(euros("b", "1", 7), euro, None));
    batch.push(plain(10));
    batch.push(paid(euros("c", "1", 7), euro, None));
    batch.extend((11..20).map(plain));
    let decisions = place(&fixture.store, batch, no_limit()).await;
    let checked = CheckedRows { wallets: 1, entries: 3, movements: 3, paid_orders: 2 };
    assert_eq!(fixture.check_journal().await, checked);

    // The journal itself is correct, so only the orders show that payments are missing.
    fixture.query_text("update orders set wallet_id = (select id from wallets) where seq in (1, 12, 22)").await;
    let Verification { checked, violations } = fixture.verify().await;
    assert_eq!(checked.paid_orders, 5);
    let found: Vec<_> = violations.iter().map(|violation| (violation.kind, violation.order_id)).collect();
    let expected = [0, 11, 21].map(|index| {
        let order: &Order = expect_placed(&decisions[index]).0;
        (ViolationKind::MissingPayment, Some(order.id))
    });
    assert_eq!(found, expected);
}

async fn order_without_funds_and_its_delayed_duplicate_are_refused_without_using_the_limit(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (wallet, dollars) = (fixture.create_wallet("EUR").await, fixture.create_wallet("USD").await);
    let delayed = paid(euros("a", "5", 60), wallet, None);
    let decisions = place(
        &fixture.store,
        vec![
            paid(euros("a", "5", 60), wallet, None),
            paid(euros("b", "5", 60), dollars, None),
            paid(euros("c", "5", 60), WalletId(uuid::Uuid::now_v7()), None),
            // The limit is enough for this order only if the refused orders do not use it.
            commands(&[market_order("plain", 100)]).remove(0),
        ],
        sats(160),
    )
    .await;
    let reasons: Vec<_> = decisions[..3].iter().map(|decision| refusal(decision).reason).collect();
    assert_eq!(
        reasons,
        [RefusalReason::InsufficientFunds, RefusalReason::WalletCurrency, RefusalReason::WalletNotFound]
    );
    expect_placed(&decisions[3]);

    // By the time the delayed copy arrives at another process, the wallet has enough money.
    fixture.move_money(&[deposit("rich", wallet, "100")]).await;
    let other = fixture.another_store().await;
    assert_eq!(place(&other, vec![delayed], sats(160)).await[0], decisions[0]);
    assert_eq!(fixture.balance(wallet).await, "100.00");
    // A request that the client sends after the refusal is decided anew.
    let again = place(&fixture.store, vec![paid(euros("a", "5", 60), wallet, None)], sats(160)).await.remove(0);
    assert!(!expect_placed(&again).1);
    assert_eq!(fixture.balance(wallet).await, "95.00");
    fixture.check_journal().await;
}

/// The test aborts transactions at different await points.
async fn aborted_transaction_stores_order_and_payment_or_neither(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (euro, btc) = (fixture.create_wallet("EUR").await, fixture.create_wallet("BTC").await);
    fixture.move_money(&[deposit("a", euro, "1000")]).await;
    for polls in 1..40 {
        let mut batch = [paid(euros(format!("aborted-{polls}"), "1", 2), euro, Some(btc))];
        {
            let context = DecisionContext { limit: no_limit(), clock: DecisionClock::Fixed(Timestamp::now()) };
            let mut attempt = Attempt::default();
            let mut commit = std::pin::pin!(fixture.store.commit_batch(context, &mut batch, &mut attempt));
            for _ in 0..polls {
                if futures_util::poll!(commit.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // The retry places the order once, whether the aborted attempt has committed or not.
        let retried = commit(&fixture.store, &mut batch, no_limit(), Timestamp::now()).await;
        assert!(!expect_placed(&retried[0]).1, "{retried:?}");
    }
    assert_eq!([fixture.balance(euro).await, fixture.balance(btc).await], ["961.00", "0.00000078"]);
    assert_eq!(fixture.check_tables().await, (39, 78));
    assert_eq!(fixture.check_journal().await.movements, 40);
}

/// The writers of one process.
struct Process {
    orders: WriterHandle<OrderBatchStore>,
    wallets: WriterHandle<WalletBatchStore>,
    metrics: Metrics,
}

impl Process {
    async fn start(fixture: &Fixture) -> Self {
        let metrics = Metrics::new("test");
        let order_metrics = OrderMetrics::register(&metrics, no_limit());
        let (store, clock_check) = (fixture.another_store().await, unchecked_clock());
        let orders = OrderBatchStore { store, limit: no_limit(), clock_check, metrics: order_metrics };
        let (orders, order_task) =
            WriterHandle::new(orders, WriterMetrics::register(&metrics, "order"), WriteHealth::default());
        let wallets = WalletBatchStore { store: fixture.another_wallet_store().await, clock_check: unchecked_clock() };
        let (wallets, wallet_task) =
            WriterHandle::new(wallets, WriterMetrics::register(&metrics, "movement"), WriteHealth::default());
        tokio::spawn(order_task);
        tokio::spawn(wallet_task);
        Self { orders, wallets, metrics }
    }

    /// Asserts that no commit failed, for example because two transactions waited for each other.
    fn assert_no_failed_commit(&self) {
        let text = self.metrics.encode();
        for name in ["order", "movement"] {
            let line = format!("buydesk_{name}_commit_failures_total{{service=\"test\"}} 0");
            assert!(text.lines().any(|found| found == line), "{text}");
        }
    }
}

async fn paid_orders_and_opposite_transfers_of_several_processes_are_exact(stack: Stack) {
    const WALLETS: usize = 4;
    const EACH: usize = 300;
    let fixture = Fixture::new(stack).await;
    let (mut euro, mut btc): (Vec<WalletId>, Vec<WalletId>) = (Vec::new(), Vec::new());
    for _ in 0..WALLETS {
        // The ids of wallets that pay and of wallets that receive bitcoin alternate.
        btc.push(fixture.create_wallet("BTC").await);
        euro.push(fixture.create_wallet("EUR").await);
    }
    let start: Vec<_> = euro.iter().map(|wallet| deposit(format!("start-{wallet}"), *wallet, "500")).collect();
    fixture.move_money(&start).await;
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(Process::start(&fixture).await);
    }

    let mut requests = JoinSet::new();
    for n in 0..EACH {
        let (paying, credited) = (n % WALLETS, (n * 7 + n / WALLETS) % WALLETS);
        let (amount, satoshi) = (n % 17 + 1, i64::try_from(n % 5 + 1).unwrap());
        let order = euros(format!("order-{n}"), &amount.to_string(), satoshi);
        let command = match n % 5 {
            0 => commands(&[order]).remove(0),
            1 => paid(order, euro[paying], None),
            _ => paid(order, euro[paying], Some(btc[credited])),
        };
        let writer = processes[n % PROCESSES].orders.clone();
        requests.spawn(async move {
            let decision = writer.submit(vec![command]).await.remove(0).expect("each order is decided");
            match decision {
                Decision::Placed(placed) => Some(placed.order),
                Decision::Refused(refused) => {
                    assert_eq!(refused.reason, RefusalReason::InsufficientFunds);
                    None
                }
                other => panic!("the decision is not about an order: {other:?}"),
            }
        });
        // Opposite transfers between the wallets that pay.
        let (from, to) = (n % WALLETS, (n + 1 + n / WALLETS % (WALLETS - 1)) % WALLETS);
        let (from, to) = if n.is_multiple_of(2) { (from, to) } else { (to, from) };
        let (from, to) = (euro[from], euro[to]);
        let writer = processes[(n + 1) % PROCESSES].wallets.clone();
        requests.spawn(async move {
            let decision = writer.submit(vec![transfer(format!("transfer-{n}"), from, to, "7.5")]).await.remove(0);
            let outcome = outcome_of(&decision.expect("each transfer is decided")).unwrap();
            let lacks_funds = reason(&outcome) == Some(MoveRefusalReason::InsufficientFunds);
            assert!(has_moved(&outcome) || lacks_funds, "{outcome:?}");
            None
        });
    }
    let placed: Vec<Order> = requests.join_all().await.into_iter().flatten().collect();

    let paid_orders: Vec<_> = placed.iter().filter(|order| order.wallet_id.is_some()).collect();
    // Some orders are refused, because the wallets do not have enough money for all of them.
    assert!(paid_orders.len() > EACH / 4, "only {} paid orders were placed", paid_orders.len());
    let spent: i64 = paid_orders.iter().map(|order| order.amount.ten_thousandths()).sum();
    let sums = fixture
        .query_text("select currency, cast(sum(balance) as text) from wallets group by currency order by currency")
        .await;
    let mut credited: HashMap<WalletId, i64> = HashMap::new();
    for order in &paid_orders {
        if let Some(wallet) = order.credit_wallet_id {
            *credited.entry(wallet).or_default() += order.bitcoin_amount.get();
        }
    }
    let remaining = i64::try_from(WALLETS).unwrap() * 5_000_000 - spent;
    let expected = [("BTC", credited.values().sum::<i64>()), ("EUR", remaining)];
    assert_eq!(sums, expected.map(|(currency, units)| [currency.to_owned(), units.to_string()]));
    for (wallet, satoshi) in credited {
        assert_eq!(fixture.balance(wallet).await, Sats::new(satoshi).unwrap().to_string());
    }
    let booked = fixture.query_text("select cast(count(*) as text) from movements where kind = 'order'").await;
    assert_eq!(booked, [[paid_orders.len().to_string()]]);
    assert_eq!(fixture.check_tables().await.0, i64::try_from(placed.len()).unwrap());
    fixture.check_journal().await;
    // In production, several processes never share an SQLite file. In this test they do, so commits may fail on SQLite.
    if stack == Stack::Servers {
        processes.iter().for_each(Process::assert_no_failed_commit);
    }
}
