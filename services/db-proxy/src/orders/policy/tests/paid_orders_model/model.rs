//! The model: it handles one command at a time and never fails.

use std::collections::HashMap;

use common::api::{orders::RefusalReason, wallets::MoveRefusalReason};

pub(super) const LIMIT: i64 = 150;
/// The number, the user and the currency of each wallet.
pub(super) const WALLETS: [(u128, u128, &str); 4] = [(1, 1, "EUR"), (2, 1, "BTC"), (3, 2, "EUR"), (4, 2, "BTC")];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OrderAction {
    pub user: u128,
    pub key: u8,
    /// The amount in euros. The order buys the same number of satoshi.
    pub euros: i64,
    pub paying: Option<u128>,
    pub credited: Option<u128>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MoveAction {
    pub user: u128,
    pub key: u8,
    /// `None` for the account for money outside Buydesk.
    pub from: Option<u128>,
    pub to: Option<u128>,
    pub units: i64,
}

/// A decision without generated ids and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// `number` is the position of the order in the sequence.
    Placed {
        number: usize,
        replayed: bool,
    },
    /// With the number of the refused wallet, and the balance or the remaining limit.
    NotPlaced(RefusalReason, Option<u128>, Option<i64>),
    /// With the balances of the wallets of the user who sent the command.
    Moved {
        balances: Vec<i64>,
        replayed: bool,
    },
    NotMoved(MoveRefusalReason, Option<i64>),
}

#[derive(Default)]
pub(super) struct Model {
    pub balances: HashMap<u128, i64>,
    orders: Vec<OrderAction>,
    moves: HashMap<(u128, u8), (MoveAction, Vec<i64>)>,
    /// The refusals of the current batch. They do not apply to later batches, whose requests are newer.
    limit_refusals: HashMap<(u128, u8, i64), Outcome>,
    balance_refusals: HashMap<OrderAction, Outcome>,
    move_refusals: HashMap<MoveAction, Outcome>,
}

pub(super) fn is_of(user: u128, wallet: u128) -> bool {
    WALLETS.iter().any(|&(number, owner, _)| (number, owner) == (wallet, user))
}

pub(super) fn currency_of(wallet: u128) -> Option<&'static str> {
    WALLETS.iter().find(|(number, ..)| *number == wallet).map(|&(.., currency)| currency)
}

impl Model {
    pub(super) fn begin_batch(&mut self) {
        self.limit_refusals.clear();
        self.balance_refusals.clear();
        self.move_refusals.clear();
    }

    pub(super) fn place(&mut self, action: OrderAction) -> Outcome {
        let OrderAction { user, key, euros, paying, credited } = action;
        if let Some(number) = self.orders.iter().position(|order| (order.user, order.key) == (user, key)) {
            return if self.orders[number] == action {
                Outcome::Placed { number, replayed: true }
            } else {
                Outcome::NotPlaced(RefusalReason::KeyReused, None, None)
            };
        }
        if let Some(refused) = self.limit_refusals.get(&(user, key, euros)) {
            return refused.clone();
        }
        let remaining = LIMIT - self.orders.iter().map(|order| order.euros).sum::<i64>();
        if euros > remaining {
            let refused = Outcome::NotPlaced(RefusalReason::LimitExceeded, None, Some(remaining));
            self.limit_refusals.insert((user, key, euros), refused.clone());
            return refused;
        }
        for (wallet, currency) in [(paying, "EUR"), (credited, "BTC")] {
            let Some(wallet) = wallet else { continue };
            if !is_of(user, wallet) {
                return Outcome::NotPlaced(RefusalReason::WalletNotFound, Some(wallet), None);
            }
            if currency_of(wallet) != Some(currency) {
                return Outcome::NotPlaced(RefusalReason::WalletCurrency, Some(wallet), None);
            }
        }
        if let Some(refused) = self.balance_refusals.get(&action) {
            return refused.clone();
        }
        if let Some(paying) = paying {
            let balance = self.balances[&paying];
            if balance < euros * 10_000 {
                let refused = Outcome::NotPlaced(RefusalReason::InsufficientFunds, Some(paying), Some(balance));
                self.balance_refusals.insert(action, refused.clone());
                return refused;
            }
            *self.balances.get_mut(&paying).unwrap() -= euros * 10_000;
        }
        if let Some(credited) = credited {
            *self.balances.get_mut(&credited).unwrap() += euros;
        }
        self.orders.push(action);
        Outcome::Placed { number: self.orders.len() - 1, replayed: false }
    }

    pub(super) fn move_money(&mut self, action: MoveAction) -> Outcome {
        let MoveAction { user, key, from, to, units } = action;
        let own = from.or(to).unwrap();
        let not_moved = |reason| Outcome::NotMoved(reason, None);
        if !is_of(user, own) || to.is_some_and(|to| currency_of(to).is_none()) {
            return not_moved(MoveRefusalReason::WalletNotFound);
        }
        if let (Some(from), Some(to)) = (from, to) {
            if from == to {
                return not_moved(MoveRefusalReason::SameWallet);
            }
            if currency_of(from) != currency_of(to) {
                return not_moved(MoveRefusalReason::CurrencyMismatch);
            }
        }
        if let Some((stored, balances)) = self.moves.get(&(user, key)) {
            return if *stored == action {
                Outcome::Moved { balances: balances.clone(), replayed: true }
            } else {
                self.move_refusals.get(&action).cloned().unwrap_or(not_moved(MoveRefusalReason::KeyReused))
            };
        }
        if let Some(refused) = self.move_refusals.get(&action) {
            return refused.clone();
        }
        if let Some(from) = from {
            if self.balances[&from] < units {
                let refused = Outcome::NotMoved(MoveRefusalReason::InsufficientFunds, Some(self.balances[&from]));
                self.move_refusals.insert(action, refused.clone());
                return refused;
            }
            *self.balances.get_mut(&from).unwrap() -= units;
        }
        if let Some(to) = to {
            *self.balances.get_mut(&to).unwrap() += units;
        }
        let shown = [from, to].into_iter().flatten().filter(|wallet| is_of(user, *wallet));
        let balances: Vec<_> = shown.map(|wallet| self.balances[&wallet]).collect();
        self.moves.insert((user, key), (action, balances.clone()));
        Outcome::Moved { balances, replayed: false }
    }
}
