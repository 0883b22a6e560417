//! Compares the decisions on paid orders, and on movements of the same wallets, with a simple model.
//! The model handles one command at a time and never fails.
//!
//! Two users place orders with and without wallets, and transfer money to each other. Orders are new, repeated, in conflict with
//! earlier ones, over the limit, without funds, or name a wallet that they must not use. The first attempt to commit a batch may fail
//! before or after the commit.

mod model;

use common::{
    api::{orders::client_name, wallets::OperationType},
    ids::UserId,
    money::Money,
};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

use self::model::{LIMIT, Model, MoveAction, OrderAction, Outcome, WALLETS, currency_of};
use super::{
    payment::{assert_balanced, id, paid, wallet},
    *,
};
use crate::wallets::{
    self, MoveMoneyCommand, MoveTerms,
    records::{Account, ChangeSet as JournalChanges, Entry, MovementKind},
    verification::{JournalEntry, check_entries},
};

#[derive(Debug, Clone)]
enum Batch {
    Orders(Vec<OrderAction>),
    Moves(Vec<MoveAction>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstAttempt {
    Committed,
    FailedBeforeCommit,
    ResponseLost,
}

fn order_action() -> impl Strategy<Value = OrderAction> {
    let wallets = prop_oneof![
        2 => Just((None, None)),
        4 => (1..=5_u128).prop_map(|paying| (Some(paying), None)),
        // Both wallets of one user.
        6 => prop_oneof![Just((Some(1), Some(2))), Just((Some(3), Some(4)))],
        2 => (1..=5_u128, 1..=5_u128).prop_filter("they differ", |(a, b)| a != b).prop_map(|(a, b)| (Some(a), Some(b))),
    ];
    (1..=2_u128, 0..12_u8, 1..20_i64, wallets).prop_map(|(user, key, euros, (paying, credited))| {
        // Usually the owner of the paying wallet.
        let user = if key % 6 == 0 { user } else { paying.map_or(user, |wallet| if wallet <= 2 { 1 } else { 2 }) };
        OrderAction { user, key, euros, paying, credited }
    })
}

fn move_action() -> impl Strategy<Value = MoveAction> {
    let accounts = prop_oneof![
        4 => (1..=5_u128).prop_map(|to| (None, Some(to))),
        1 => (1..=5_u128).prop_map(|from| (Some(from), None)),
        4 => (1..=4_u128, 1..=5_u128).prop_map(|(from, to)| (Some(from), Some(to))),
    ];
    (1..=2_u128, 0..12_u8, 1..25_i64, accounts).prop_map(|(user, key, amount, (from, to))| {
        let own = from.or(to).unwrap();
        let user = if key % 6 == 0 {
            user
        } else if own <= 2 {
            1
        } else {
            2
        };
        let units = if currency_of(own) == Some("BTC") { amount } else { amount * 10_000 };
        MoveAction { user, key, from, to, units }
    })
}

fn batch() -> impl Strategy<Value = Batch> {
    prop_oneof![
        3 => vec(order_action(), 1..8).prop_map(Batch::Orders),
        2 => vec(move_action(), 1..8).prop_map(Batch::Moves),
    ]
}

fn first_attempt() -> impl Strategy<Value = FirstAttempt> {
    prop_oneof![
        3 => Just(FirstAttempt::Committed),
        1 => Just(FirstAttempt::FailedBeforeCommit),
        1 => Just(FirstAttempt::ResponseLost),
    ]
}

fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

fn key_of(user_number: u128, key: u8) -> ClientKey {
    ClientKey { client: client_name(Some(user(user_number))), key: key.to_string().parse().unwrap() }
}

fn order_command(action: OrderAction, now: Timestamp) -> Command {
    let OrderAction { user: number, key, euros, paying, credited } = action;
    let command = market_of("k", &euros.to_string(), Some(price(euros, now.plus(MINUTE))));
    let command = match paying {
        Some(paying) => paid(command, paying, credited),
        None => command,
    };
    let Command::Place(command) = command else { panic!("not an order") };
    Command::Place(PlaceCommand { key: key_of(number, key), user: Some(user(number)), requested_at: now, ..command })
}

fn move_command(MoveAction { user: number, key, from, to, units }: MoveAction, now: Timestamp) -> MoveMoneyCommand {
    let currency: Currency = currency_of(from.or(to).unwrap()).unwrap_or("EUR").parse().unwrap();
    let amount = Money::new(currency, units).unwrap().to_string().parse().unwrap();
    let operation = |operation_type, wallet| MoveTerms::Operation { operation_type, wallet: id(wallet), amount };
    let terms = match (from, to) {
        (Some(from), Some(to)) => MoveTerms::Transfer { from: id(from), to: id(to), amount },
        (Some(from), None) => operation(OperationType::Withdraw, from),
        (None, Some(to)) => operation(OperationType::Deposit, to),
        (None, None) => unreachable!("money moves from or to a wallet"),
    };
    MoveMoneyCommand {
        key: key_of(number, key),
        owner: OwnerFilter::User(user(number)),
        terms,
        requested_at: now,
        written_by: Caller::WALLETS,
        attempted_ids: Vec::new(),
    }
}

/// The tables of orders and wallets.
struct SharedTables {
    tables: Tables,
    /// The orders by sequence number.
    orders: Vec<Order>,
    /// The deposits, withdrawals and transfers by idempotency key.
    moves: HashMap<ClientKey, Movement>,
    now: Timestamp,
}

impl SharedTables {
    fn new() -> Self {
        let mut tables = Tables::empty();
        let wallets = WALLETS.map(|(number, owner, code)| wallet(number, Some(user(owner)), code, 0));
        tables.wallets.wallets = wallets.into_iter().map(|wallet| (wallet.id, wallet)).collect();
        Self { tables, orders: Vec::new(), moves: HashMap::new(), now: NOW }
    }

    fn decide_orders(&mut self, commands: &mut [Command], commits: bool) -> Vec<Decision> {
        let Decided { decisions, changes } = self.tables.decide(LIMIT, self.now, commands);
        if let Some(changes) = changes.filter(|_| commits) {
            self.orders.extend(changes.orders.iter().map(|row| row.stored.order.clone()));
            self.tables.write(&changes);
        }
        decisions
    }

    fn decide_moves(&mut self, commands: &mut [MoveMoneyCommand], commits: bool) -> Vec<wallets::Decision> {
        let snapshot = wallets::records::Snapshot {
            locked: self.tables.wallets.clone(),
            movements: self.moves.clone(),
            now: self.now,
        };
        let Decided { decisions, changes } = wallets::policy::decide_batch(snapshot, commands);
        if let Some(JournalChanges { movements, wallets, refusals }) = changes.filter(|_| commits) {
            self.tables.wallets.wallets.extend(wallets.into_iter().map(|wallet| (wallet.id, wallet)));
            self.tables.wallets.refusals.extend(refusals);
            self.tables.movements.extend(movements.iter().map(|new| new.movement.clone()));
            self.moves.extend(movements.into_iter().map(|new| (new.key, new.movement)));
        }
        decisions
    }

    fn order_outcome(&self, decision: &Decision) -> Outcome {
        match decision {
            Decision::Placed(Placed { order, replayed }) => {
                let number = self.orders.iter().position(|stored| stored == order).expect("the order is stored");
                Outcome::Placed { number, replayed: *replayed }
            }
            Decision::Refused(Refused { reason, wallet_id, balance, remaining, .. }) => {
                let amount = balance.map(Money::units).or(remaining.map(Sats::get));
                Outcome::NotPlaced(*reason, wallet_id.map(|id| id.0.as_u128()), amount)
            }
            other => panic!("not a decision about an order: {other:?}"),
        }
    }

    /// Asserts that the balances match the journal and the model, and that each paid order has its movement.
    fn check(&self, model: &Model) {
        assert_balanced(&self.tables);
        let mut entries = Vec::new();
        for movement in &self.tables.movements {
            for entry in &movement.entries {
                if let Account::Wallet { id, number, balance } = entry.account {
                    let &Entry { amount, currency, .. } = entry;
                    let is_of_wallet = self.tables.wallets.wallets[&id].currency == currency;
                    let (movement, balance) = (movement.id, balance.units());
                    let has_movement = true;
                    entries.push(JournalEntry {
                        wallet: id,
                        number,
                        movement,
                        amount,
                        balance,
                        is_of_wallet,
                        has_movement,
                    });
                }
            }
        }
        entries.sort_by_key(|entry| (entry.wallet, entry.number));
        assert_eq!(check_entries(None, &entries), []);
        for (number, ..) in WALLETS {
            assert_eq!(self.tables.wallets.wallets[&id(number)].balance.units(), model.balances[&number]);
        }
        let paid: Vec<_> =
            self.orders.iter().filter(|order| order.wallet_id.is_some()).map(|order| order.id.0).collect();
        let booked = self.tables.movements.iter().filter(|movement| movement.kind == MovementKind::Order);
        assert_eq!(booked.map(|movement| movement.id.0).collect::<Vec<_>>(), paid);
        let sum: i64 = self.orders.iter().map(|order| order.bitcoin_amount.get()).sum();
        assert!(self.tables.totals.bitcoin.get() == sum && sum <= LIMIT);
    }
}

fn move_outcome(decision: &wallets::Decision) -> Outcome {
    match wallets::outcome_of(decision).unwrap() {
        outcome if let Some(refused) = outcome.refused => {
            Outcome::NotMoved(refused.reason, refused.balance.map(Money::units))
        }
        outcome => {
            let operation = outcome.operation.into_iter().map(|operation| operation.balance);
            let transfer = outcome.transfer.into_iter();
            let transfer = transfer.flat_map(|moved| std::iter::once(moved.from_balance).chain(moved.to_balance));
            Outcome::Moved {
                balances: operation.chain(transfer).map(Money::units).collect(),
                replayed: outcome.replayed,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn orders_and_movements_of_shared_wallets_match_the_model(
        batches in vec((batch(), first_attempt()), 1..16)
    ) {
        let mut shared = SharedTables::new();
        let mut model = Model::default();
        model.balances.extend(WALLETS.into_iter().map(|(number, ..)| (number, 0)));
        for (batch, first_attempt) in batches {
            shared.now = shared.now.plus(Duration::from_secs(1));
            model.begin_batch();
            let commits_first = first_attempt == FirstAttempt::ResponseLost;
            let retries = first_attempt != FirstAttempt::Committed;
            let (mut expected, outcomes): (Vec<_>, Vec<_>) = match &batch {
                Batch::Orders(actions) => {
                    let now = shared.now;
                    let mut commands: Vec<_> = actions.iter().map(|action| order_command(*action, now)).collect();
                    if retries {
                        shared.decide_orders(&mut commands, commits_first);
                    }
                    let decisions = shared.decide_orders(&mut commands, true);
                    let expected = actions.iter().map(|action| model.place(*action)).collect();
                    (expected, decisions.iter().map(|decision| shared.order_outcome(decision)).collect())
                }
                Batch::Moves(actions) => {
                    let now = shared.now;
                    let mut commands: Vec<_> = actions.iter().map(|action| move_command(*action, now)).collect();
                    if retries {
                        shared.decide_moves(&mut commands, commits_first);
                    }
                    let decisions = shared.decide_moves(&mut commands, true);
                    let expected = actions.iter().map(|action| model.move_money(*action)).collect();
                    (expected, decisions.iter().map(move_outcome).collect())
                }
            };
            // Some refusals are not recorded. The retry decides these commands again, after the rest of the batch is stored.
            if let (Batch::Orders(actions), true) = (&batch, commits_first) {
                for (action, outcome) in actions.iter().zip(&mut expected) {
                    if matches!(outcome, Outcome::NotPlaced(..)) {
                        *outcome = model.place(*action);
                    }
                }
            }
            prop_assert_eq!(expected, outcomes, "{:?} {:?}", first_attempt, batch);
            shared.check(&model);
        }
    }
}
