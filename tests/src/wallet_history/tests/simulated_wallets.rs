//! A simulation in memory of the service `wallets` and of clients that retry. Requests and responses get lost, and the
//! service can contain one planted bug. The seed determines the whole run.

mod clients;
mod planted_bug;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use common::{
    api::{
        Code,
        orders::client_name,
        wallets::{EntryType, Operation, Wallet},
    },
    ids::{MovementId, UserId, WalletId},
    money::Currency,
    time::Timestamp,
};
use fastrand::Rng;
use uuid::Uuid;

pub use self::planted_bug::PlantedBug;
use crate::{
    history::ClientUser,
    wallet_history::{
        MoveAttempt, MoveOutcome, RequestedMovement, Statement, StoredJournal, VerifiedRows, WalletHistory,
        acknowledgements::{acknowledgement_of, requests_movement},
        journal::{StoredAccount, StoredEntry, StoredMovement, StoredWallet, money_of},
    },
};

const ROUNDS: usize = 250;
/// Most bugs could occur at many points of a run. They occur at the points with these numbers, counted from one. One
/// point would not suffice, because the response that shows the bug may be lost.
const BUG_POINTS: std::ops::Range<u32> = 3..10;
/// The users of the clients. `None` is a client without an API key.
const CLIENT_USERS: [ClientUser; 3] = [None, Some(UserId(Uuid::from_u128(1))), Some(UserId(Uuid::from_u128(2)))];

/// What happens to a request and its response on the network.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transmission {
    /// The client receives the response.
    Delivered,
    Unreachable,
    RequestLost,
    ResponseLost,
}

pub struct SimulatedWallets {
    bug: PlantedBug,
    points_reached: u32,
    rng: Rng,
    now: Timestamp,
    /// The user of the client that acts now.
    user: ClientUser,
    wallets: Vec<WalletId>,
    /// The movement of each user and idempotency key.
    keys: BTreeMap<(ClientUser, String), MovementId>,
    next_id: u128,
    next_key: u32,
    stored: StoredJournal,
    history: WalletHistory,
}

/// A change of one wallet.
#[derive(Clone, Copy)]
struct Change {
    wallet: WalletId,
    amount: i64,
}

impl SimulatedWallets {
    /// Performs [`ROUNDS`] random actions of clients. Returns the history of the clients and the stored journal.
    pub fn run(bug: PlantedBug, seed: u64) -> (WalletHistory, StoredJournal) {
        let mut service = Self {
            bug,
            points_reached: 0,
            rng: Rng::with_seed(seed),
            now: Timestamp::from_micros(1_700_000_000_000_000).unwrap(),
            user: None,
            wallets: Vec::new(),
            keys: BTreeMap::new(),
            next_id: 100,
            next_key: 0,
            stored: StoredJournal::default(),
            history: WalletHistory::default(),
        };
        for user in CLIENT_USERS {
            for currency in [Currency::USD, Currency::USD, Currency::BTC] {
                service.create_wallet(user, currency);
            }
        }
        for _ in 0..ROUNDS {
            service.user = CLIENT_USERS[service.rng.usize(0..CLIENT_USERS.len())];
            service.act();
        }
        service.finish()
    }

    fn create_wallet(&mut self, user: ClientUser, currency: Currency) {
        let id = WalletId(self.new_id());
        let balance = money_of(currency, 0);
        self.history.wallets.push(Wallet { id, currency, balance, user_id: user, created_at: self.now });
        self.stored.wallets.insert(id, StoredWallet { currency, user, balance: 0, entries: 0 });
        self.wallets.push(id);
    }

    fn new_id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    fn new_key(&mut self) -> String {
        self.next_key += 1;
        format!("key-{:04}", self.next_key)
    }

    fn advance_clock(&mut self) {
        self.now = self.now.plus(Duration::from_millis(self.rng.u64(15..30)));
    }

    /// Called at a point where `bug` could occur. Returns whether the bug occurs.
    fn triggers(&mut self, bug: PlantedBug) -> bool {
        if self.bug != bug {
            return false;
        }
        self.points_reached += 1;
        BUG_POINTS.contains(&self.points_reached)
    }

    fn transmit(&mut self, key: &str, requested: &RequestedMovement) -> MoveOutcome {
        let transmission = match self.rng.u32(0..20) {
            0 => Transmission::Unreachable,
            1 => Transmission::RequestLost,
            2 => Transmission::ResponseLost,
            _ => Transmission::Delivered,
        };
        match transmission {
            Transmission::Unreachable => return MoveOutcome::Unavailable(Code::UpstreamUnavailable),
            Transmission::RequestLost => return MoveOutcome::NoResponse,
            Transmission::Delivered | Transmission::ResponseLost => {}
        }
        if self.triggers(PlantedBug::InternalError) {
            return MoveOutcome::Unexpected { status: 500, body: "internal error".to_owned() };
        }
        let was_known = self.keys.contains_key(&(self.user, key.to_owned()));
        let outcome = self.decide(key, requested);
        let moved = matches!(outcome, MoveOutcome::Moved { .. });
        if transmission == Transmission::ResponseLost {
            return MoveOutcome::NoResponse;
        }
        if moved && !was_known && self.triggers(PlantedBug::DeniedAfterMoving) {
            let balance = Some(money_of(self.currency_of(requested.own_wallet()), 0));
            return MoveOutcome::Refused { code: Code::InsufficientFunds, balance };
        }
        outcome
    }

    fn currency_of(&self, wallet: WalletId) -> Currency {
        self.stored.wallets[&wallet].currency
    }

    fn decide(&mut self, key: &str, requested: &RequestedMovement) -> MoveOutcome {
        let refused = |code| MoveOutcome::Refused { code, balance: None };
        let own = requested.own_wallet();
        let is_own = self.stored.wallets[&own].user == self.user;
        if !is_own && !self.triggers(PlantedBug::ChangesWalletOfAnother) {
            return refused(Code::NotFound);
        }
        if let RequestedMovement::Transfer { from, to, .. } = *requested
            && (from == to || self.currency_of(from) != self.currency_of(to))
        {
            return refused(Code::ValidationFailed);
        }
        if let Some(&id) = self.keys.get(&(self.user, key.to_owned()))
            && !self.triggers(PlantedBug::LostKey)
        {
            return self.replay(id, key, requested);
        }
        let units = requested.amount().units();
        let changes = match *requested {
            RequestedMovement::Deposit { wallet, .. } => vec![Change { wallet, amount: units }],
            RequestedMovement::Withdraw { wallet, .. } => vec![Change { wallet, amount: -units }],
            RequestedMovement::Transfer { from, to, .. } => {
                vec![Change { wallet: from, amount: -units }, Change { wallet: to, amount: units }]
            }
        };
        let balance = self.stored.wallets[&own].balance;
        if changes[0].amount < 0 {
            let bug = if balance < units { PlantedBug::NegativeBalance } else { PlantedBug::FalseRefusal };
            if (balance < units) != self.triggers(bug) {
                let balance = Some(money_of(self.currency_of(own), balance.max(0)));
                return MoveOutcome::Refused { code: Code::InsufficientFunds, balance };
            }
        }
        self.move_money(key, requested, &changes)
    }

    fn replay(&mut self, id: MovementId, key: &str, requested: &RequestedMovement) -> MoveOutcome {
        let stored = self.stored.movements[&id].clone();
        let attempt = self.attempt(key, requested);
        if !requests_movement(&attempt, &stored) {
            return MoveOutcome::Refused { code: Code::KeyReused, balance: None };
        }
        let mut body = acknowledgement_of(&attempt, id, &stored, &self.stored);
        if self.triggers(PlantedBug::RecomputedReplay) {
            body["created_at"] = self.now.to_string().into();
        }
        MoveOutcome::Moved {
            body: Bytes::from(body.to_string()),
            replayed: !self.triggers(PlantedBug::ReplayReportedAsNew),
        }
    }

    fn attempt(&self, key: &str, requested: &RequestedMovement) -> MoveAttempt {
        let (idempotency_key, outcome) = (key.to_owned(), MoveOutcome::NoResponse);
        MoveAttempt { user: self.user, idempotency_key, requested: *requested, start: self.now, end: self.now, outcome }
    }

    fn move_money(&mut self, key: &str, requested: &RequestedMovement, changes: &[Change]) -> MoveOutcome {
        let id = MovementId(self.new_id());
        let before = self.stored.clone();
        self.book(id, key, changes);
        let movement = &self.stored.movements[&id];
        let attempt = self.attempt(key, requested);
        let body = acknowledgement_of(&attempt, id, movement, &self.stored);
        if self.triggers(PlantedBug::AcknowledgedBeforeCommit) {
            // A crash loses the transaction after the response was sent.
            self.stored = before;
        } else {
            self.keys.insert((self.user, key.to_owned()), id);
            self.corrupt(id, key, requested, changes);
        }
        MoveOutcome::Moved { body: Bytes::from(body.to_string()), replayed: false }
    }

    /// Stores a movement and the balances after it.
    fn book(&mut self, id: MovementId, key: &str, changes: &[Change]) {
        let mut entries = Vec::new();
        for change in changes {
            let skips_balance = self.triggers(PlantedBug::BalanceNotUpdated);
            let wallet = self.stored.wallets.get_mut(&change.wallet).unwrap();
            wallet.entries += 1;
            let balance = wallet.balance + change.amount;
            if !skips_balance {
                wallet.balance = balance;
            }
            let account = StoredAccount::Wallet { id: change.wallet, number: wallet.entries, balance };
            entries.push(StoredEntry { movement: id, account, currency: wallet.currency, amount: change.amount });
        }
        let kind = match changes {
            [_, _] => "transfer",
            [change] if change.amount > 0 => "deposit",
            _ => "withdrawal",
        };
        if let [change] = changes {
            let currency = self.currency_of(change.wallet);
            let outside =
                StoredEntry { movement: id, account: StoredAccount::Outside, currency, amount: -change.amount };
            entries.push(outside);
        }
        let (client, idempotency_key) = (client_name(self.user), key.to_owned());
        let movement = StoredMovement { kind: kind.to_owned(), created_at: self.now, client, idempotency_key, entries };
        self.stored.movements.insert(id, movement);
    }

    /// Damages the movement that was just stored, if the planted bug is one that damages stored movements.
    fn corrupt(&mut self, id: MovementId, key: &str, requested: &RequestedMovement, changes: &[Change]) {
        let is_transfer = matches!(requested, RequestedMovement::Transfer { .. });
        if self.triggers(PlantedBug::LostEntry) {
            self.stored.movements.get_mut(&id).unwrap().entries.remove(0);
        }
        if matches!(requested, RequestedMovement::Deposit { .. }) && self.triggers(PlantedBug::DoubledDeposit) {
            self.advance_clock();
            let second = MovementId(self.new_id());
            self.book(second, key, changes);
        }
        if is_transfer && self.triggers(PlantedBug::HalfTransfer) {
            let receiver = self.stored.movements.get_mut(&id).unwrap().entries.pop().unwrap();
            self.undo(&receiver);
        }
        if is_transfer && self.triggers(PlantedBug::TransferFromOutside) {
            let movement = self.stored.movements.get_mut(&id).unwrap();
            let payer = std::mem::replace(&mut movement.entries[0].account, StoredAccount::Outside);
            let payer = StoredEntry { account: payer, ..movement.entries[0] };
            self.undo(&payer);
        }
        if self.triggers(PlantedBug::EntryChanged) {
            let entry = &mut self.stored.movements.get_mut(&id).unwrap().entries[0];
            entry.amount += 1;
        }
    }

    /// Subtracts an entry from the balance and the entry count of its wallet.
    fn undo(&mut self, entry: &StoredEntry) {
        let StoredAccount::Wallet { id, .. } = entry.account else { return };
        let wallet = self.stored.wallets.get_mut(&id).unwrap();
        wallet.balance -= entry.amount;
        wallet.entries -= 1;
    }

    fn finish(mut self) -> (WalletHistory, StoredJournal) {
        for wallet in self.wallets.clone() {
            let mut operations: Vec<_> = self.operations_of(wallet);
            if self.bug == PlantedBug::OperationNotListed {
                operations.pop();
            }
            self.history.statements.push(Statement { wallet, operations });
        }
        let entries = self.stored.movements.values().flat_map(|movement| &movement.entries);
        let entries = entries.filter(|entry| entry.account != StoredAccount::Outside).count();
        let count = |rows: usize| u64::try_from(rows).unwrap();
        self.history.verified = Some(VerifiedRows {
            wallets: count(self.stored.wallets.len()),
            entries: count(entries),
            movements: count(self.stored.movements.len()),
            violations: usize::from(self.bug == PlantedBug::VerificationFails),
        });
        (self.history, self.stored)
    }

    /// The operations of a wallet, newest first.
    fn operations_of(&self, wallet: WalletId) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (id, movement) in &self.stored.movements {
            for entry in &movement.entries {
                let StoredAccount::Wallet { id: of, number, balance } = entry.account else { continue };
                if of != wallet {
                    continue;
                }
                let operation = Operation {
                    id: *id,
                    wallet_id: wallet,
                    operation_type: EntryType::Deposit,
                    amount: entry.money(),
                    balance: money_of(entry.currency, balance.max(0)),
                    created_at: movement.created_at,
                };
                operations.push((number, operation));
            }
        }
        operations.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        operations.into_iter().map(|(_, operation)| operation).collect()
    }
}
