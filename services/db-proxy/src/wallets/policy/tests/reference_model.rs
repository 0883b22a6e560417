//! Compares sequences of batches with a simple model that handles one command at a time and never fails.
//!
//! Commands are new, repeat an earlier command, reuse the key of a different command, or exceed a balance. They are
//! split into random batches. The first attempt to commit a batch can fail before or after the commit.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::wallets::verification::{JournalEntry, MovementLine, OrderOfMovement, check_entries, check_movements};

const WALLETS: u128 = 3;
const MAX_BATCH: usize = 8;

/// The terms of a command. `units` are ten-thousandths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Action {
    Deposit { wallet: u128, units: i64 },
    Withdraw { wallet: u128, units: i64 },
    Transfer { from: u128, to: u128, units: i64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct KeyedAction {
    key: u8,
    action: Action,
}

/// How the first attempt to commit a batch ends. A failed attempt is retried.
#[derive(Debug, Clone, Copy)]
enum FirstAttempt {
    Committed,
    FailedBeforeCommit,
    /// The batch is committed, but the writer receives no response.
    ResponseLost,
}

/// A decision without the id and the time of its movement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Moved { balances: Vec<i64>, replayed: bool },
    Refused(MoveRefusalReason, Option<i64>),
}

/// The movement that the model stores for a key.
struct ModelMovement {
    action: Action,
    balances: Vec<i64>,
}

struct Model {
    balances: HashMap<u128, i64>,
    movements: HashMap<u8, ModelMovement>,
    /// The refusals of the current batch. They apply to no later batch, because its requests are newer.
    refusals: HashMap<KeyedAction, Outcome>,
}

impl Model {
    fn handle(&mut self, keyed: KeyedAction) -> Outcome {
        let KeyedAction { key, action } = keyed;
        let changes = match action {
            Action::Deposit { wallet, units } => vec![(wallet, units)],
            Action::Withdraw { wallet, units } => vec![(wallet, -units)],
            Action::Transfer { from, to, .. } if from == to => {
                return Outcome::Refused(MoveRefusalReason::SameWallet, None);
            }
            Action::Transfer { from, to, units } => vec![(from, -units), (to, units)],
        };
        if let Some(ModelMovement { action: stored, balances }) = self.movements.get(&key) {
            return if *stored == action {
                Outcome::Moved { balances: balances.clone(), replayed: true }
            } else {
                let refused = self.refusals.get(&keyed).cloned();
                refused.unwrap_or(Outcome::Refused(MoveRefusalReason::KeyReused, None))
            };
        }
        if let Some(refused) = self.refusals.get(&keyed) {
            return refused.clone();
        }
        if let Some((wallet, _)) = changes.iter().find(|(wallet, change)| self.balances[wallet] + change < 0) {
            let refused = Outcome::Refused(MoveRefusalReason::InsufficientFunds, Some(self.balances[wallet]));
            self.refusals.insert(keyed, refused.clone());
            return refused;
        }
        let mut balances = Vec::new();
        for (wallet, change) in changes {
            let balance = self.balances.get_mut(&wallet).unwrap();
            *balance += change;
            balances.push(*balance);
        }
        self.movements.insert(key, ModelMovement { action, balances: balances.clone() });
        Outcome::Moved { balances, replayed: false }
    }
}

fn action() -> impl Strategy<Value = Action> {
    let (wallet, units) = (|| 1..=WALLETS, || 1..60_i64);
    prop_oneof![
        3 => (wallet(), units()).prop_map(|(wallet, units)| Action::Deposit { wallet, units }),
        3 => (wallet(), units()).prop_map(|(wallet, units)| Action::Withdraw { wallet, units }),
        3 => (wallet(), wallet(), units()).prop_map(|(from, to, units)| Action::Transfer { from, to, units }),
    ]
}

/// New commands, mixed with repetitions of earlier commands.
fn keyed_actions() -> impl Strategy<Value = Vec<KeyedAction>> {
    let new = (0..24_u8, action()).prop_map(|(key, action)| KeyedAction { key, action });
    vec((new, prop::option::weighted(0.3, any::<prop::sample::Index>())), 1..60).prop_map(|steps| {
        let mut actions: Vec<KeyedAction> = Vec::new();
        for (new, repeated) in steps {
            let action = repeated.filter(|_| !actions.is_empty()).map_or(new, |index| *index.get(&actions));
            actions.push(action);
        }
        actions
    })
}

fn first_attempt() -> impl Strategy<Value = FirstAttempt> {
    prop_oneof![
        3 => Just(FirstAttempt::Committed),
        1 => Just(FirstAttempt::FailedBeforeCommit),
        1 => Just(FirstAttempt::ResponseLost),
    ]
}

fn to_command(KeyedAction { key, action }: KeyedAction, requested_at: Timestamp) -> MoveMoneyCommand {
    let key = key.to_string();
    let amount = |units| Money::new(Currency::USD, units).unwrap().to_string();
    let command = match action {
        Action::Deposit { wallet, units } => deposit(&key, wallet, &amount(units)),
        Action::Withdraw { wallet, units } => withdraw(&key, wallet, &amount(units)),
        Action::Transfer { from, to, units } => transfer(&key, from, to, &amount(units)),
    };
    MoveMoneyCommand { requested_at, ..command }
}

fn to_outcome(decision: &Decision) -> Outcome {
    match decision {
        Decision::Moved { movement, replayed, .. } => {
            let balance = |entry: &Entry| match entry.account {
                Account::Wallet { balance, .. } => Some(balance.units()),
                Account::Outside => None,
            };
            Outcome::Moved { balances: movement.entries.iter().filter_map(balance).collect(), replayed: *replayed }
        }
        Decision::Refused(refused) => Outcome::Refused(refused.reason, refused.balance.map(Money::units)),
    }
}

/// The entries of all wallets, ordered by wallet and number.
fn journal_entries(journal: &Journal) -> Vec<JournalEntry> {
    let mut entries = Vec::new();
    for movement in journal.movements.values() {
        for entry in &movement.entries {
            if let Account::Wallet { id, number, balance } = entry.account {
                entries.push(JournalEntry {
                    wallet: id,
                    number,
                    movement: movement.id,
                    amount: entry.amount,
                    balance: balance.units(),
                    is_of_wallet: journal.wallets[&id].currency == entry.currency,
                    has_movement: true,
                });
            }
        }
    }
    entries.sort_by_key(|entry| (entry.wallet, entry.number));
    entries
}

/// Asserts that each balance is the sum of its entries, and that the entries of each movement add up to zero.
fn check_journal(journal: &Journal) {
    let entries = journal_entries(journal);
    assert_eq!(check_entries(None, &entries), []);
    for wallet in journal.wallets.values() {
        let last = entries.iter().rfind(|entry| entry.wallet == wallet.id);
        let (number, balance) = last.map_or((0, 0), |last| (last.number, last.balance));
        assert_eq!((wallet.entries, wallet.balance.units()), (number, balance));
    }
    let lines = journal.movements.values().flat_map(|movement| {
        let line = |entry: &Entry| MovementLine {
            movement: movement.id,
            currency: Some(entry.currency.to_string()),
            amount: Some(entry.amount),
            wallet: None,
            order: OrderOfMovement::None,
        };
        movement.entries.iter().map(line).collect::<Vec<_>>()
    });
    assert_eq!(check_movements(&lines.collect::<Vec<_>>()), []);
}

proptest! {
    #[test]
    fn decisions_match_the_model(
        actions in keyed_actions(),
        batches in vec((1..=MAX_BATCH, first_attempt()), 60),
    ) {
        let mut journal = Journal::new((1..=WALLETS).map(|number| wallet(number, "USD", 0)));
        let balances = (1..=WALLETS).map(|number| (number, 0)).collect();
        let mut model = Model { balances, movements: HashMap::new(), refusals: HashMap::new() };
        let mut rest = actions.as_slice();
        for (size, first_attempt) in batches {
            let (batch, others) = rest.split_at(size.min(rest.len()));
            rest = others;
            // The requests of a batch are newer than every refusal of an earlier batch, and older than their own refusals.
            let requested_at = journal.now.plus(Duration::from_millis(500));
            journal.now = journal.now.plus(Duration::from_secs(1));
            model.refusals.clear();
            let mut commands: Vec<_> = batch.iter().map(|action| to_command(*action, requested_at)).collect();
            match first_attempt {
                FirstAttempt::Committed => {}
                FirstAttempt::FailedBeforeCommit => drop(decide_batch(journal.snapshot(), &mut commands)),
                FirstAttempt::ResponseLost => drop(journal.commit(&mut commands)),
            }
            let decisions = journal.commit(&mut commands);
            for (action, decision) in batch.iter().zip(&decisions) {
                let expected = model.handle(*action);
                prop_assert_eq!(to_outcome(decision), expected, "{:?}", action);
            }
            check_journal(&journal);
        }
    }
}
