//! Checks a history against the stored journal. The check is a pure function: the same input gives the same violations.

use std::collections::BTreeMap;

use common::{
    api::{Code, orders::client_name, wallets::Wallet},
    ids::MovementId,
};
use serde_json::Value;

use super::{
    BalanceRead, MoveAttempt, MoveOutcome, RequestedMovement, Statement, VerifiedRows, WalletHistory, WalletViolation,
    acknowledgements::{acknowledgement_of, requests_movement},
    journal::{StoredAccount, StoredJournal, StoredMovement},
    journal_rules::check_journal,
    orders::Orders,
    timeline::{Acknowledgement, CREATED_AT_LAG, CREATED_AT_TOLERANCE, EntryTimes, Timelines},
};

/// Returns every violation. `orders` are the orders of the same run.
pub fn check_wallets(
    history: &WalletHistory,
    stored: &StoredJournal,
    orders: Orders<'_>,
    times: EntryTimes,
) -> Vec<WalletViolation> {
    let movements = history.attempts.iter().filter_map(|attempt| {
        let movement = acknowledged_id(attempt)?.parse().ok()?;
        Some(Acknowledgement { movement, at: attempt.end })
    });
    let timelines = Timelines::new(stored, times, movements.chain(orders.acknowledgements()));
    let mut violations = check_journal(stored);
    violations.extend(orders.check_payments(stored));
    violations.extend(orders.check_refusals(&timelines));
    let mut checker = Checker { stored, timelines, times, violations };
    checker.check_wallets(&history.wallets);
    checker.check_keys(history);
    checker.check_reads(&history.reads);
    checker.check_statements(&history.statements);
    checker.check_verification(history.verified);
    checker.violations
}

/// The id of the movement in the body of a 200.
fn acknowledged_id(attempt: &MoveAttempt) -> Option<String> {
    let MoveOutcome::Moved { body, .. } = &attempt.outcome else { return None };
    let body: Value = serde_json::from_slice(body).ok()?;
    Some(body["id"].as_str()?.to_owned())
}

/// The attempts and the stored movements with one idempotency key of a client.
#[derive(Default)]
struct KeyHistory<'a> {
    attempts: Vec<&'a MoveAttempt>,
    movements: Vec<KeyMovement<'a>>,
}

#[derive(Clone, Copy)]
struct KeyMovement<'a> {
    id: MovementId,
    stored: &'a StoredMovement,
}

/// An idempotency key and the name of the client that sent it. Equal keys of two clients are independent of each other.
type ClientKey<'a> = (String, &'a str);

struct Checker<'a> {
    stored: &'a StoredJournal,
    timelines: Timelines,
    times: EntryTimes,
    violations: Vec<WalletViolation>,
}

impl Checker<'_> {
    /// Checks that each created wallet was empty, and is stored with the owner and the currency of the response.
    fn check_wallets(&mut self, created: &[Wallet]) {
        for wallet in created {
            let stored = self.stored.wallets.get(&wallet.id);
            let is_same = stored.is_some_and(|stored| {
                (stored.currency, stored.user) == (wallet.currency, wallet.user_id) && wallet.balance.units() == 0
            });
            if !is_same {
                self.violations.push(WalletViolation::WalletDiffers { wallet: wallet.id });
            }
        }
    }

    fn check_keys(&mut self, history: &WalletHistory) {
        let mut keys: BTreeMap<ClientKey<'_>, KeyHistory<'_>> = BTreeMap::new();
        for attempt in &history.attempts {
            let key = (client_name(attempt.user), attempt.idempotency_key.as_str());
            keys.entry(key).or_default().attempts.push(attempt);
        }
        // `Orders::check_payments` checks the movements of orders.
        for (id, stored) in self.stored.movements.iter().filter(|(_, movement)| movement.kind != "order") {
            let key = (stored.client.clone(), stored.idempotency_key.as_str());
            keys.entry(key).or_default().movements.push(KeyMovement { id: *id, stored });
        }
        for ((_, key), KeyHistory { attempts, movements }) in &keys {
            self.check_responses(key, attempts);
            self.check_movements_of_key(key, attempts, movements);
            for attempt in attempts {
                self.check_refusal(attempt, attempts, movements);
            }
        }
    }

    /// Checks that every acknowledged movement is stored as acknowledged, and that all acknowledgements are the same.
    /// At most one acknowledgement reports a new movement, and the last attempt has a final outcome.
    fn check_responses(&mut self, key: &str, attempts: &[&MoveAttempt]) {
        let key = || key.to_owned();
        let (mut first_body, mut new) = (None, 0);
        for attempt in attempts {
            match &attempt.outcome {
                MoveOutcome::Moved { body, replayed } => {
                    new += i32::from(!replayed);
                    if first_body.get_or_insert(body) != &body {
                        self.violations.push(WalletViolation::ReplayDiffers { key: key() });
                    }
                    self.check_acknowledgement(attempt);
                }
                MoveOutcome::Unexpected { status, body } => {
                    let (status, body) = (*status, body.clone());
                    self.violations.push(WalletViolation::UnexpectedResponse { key: key(), status, body });
                }
                MoveOutcome::Refused { .. } | MoveOutcome::Unavailable(_) | MoveOutcome::NoResponse => {}
            }
        }
        if new > 1 {
            self.violations.push(WalletViolation::MovedTwice { key: key() });
        }
        let last = attempts.iter().max_by_key(|attempt| attempt.end);
        if last.is_some_and(|last| !last.outcome.is_final()) {
            self.violations.push(WalletViolation::Undecided { key: key() });
        }
    }

    fn check_acknowledgement(&mut self, attempt: &MoveAttempt) {
        let MoveOutcome::Moved { body, .. } = &attempt.outcome else { return };
        let key = attempt.idempotency_key.clone();
        let text = acknowledged_id(attempt).unwrap_or_default();
        let found = text.parse().ok().and_then(|id| Some((id, self.stored.movements.get(&id)?)));
        let Some((id, movement)) = found else {
            return self.violations.push(WalletViolation::MovementMissing { key, id: text });
        };
        let differs = |field: &str, acknowledged: String, stored: String| WalletViolation::MovementDiffers {
            key: key.clone(),
            field: field.to_owned(),
            acknowledged,
            stored,
        };
        if movement.idempotency_key != key {
            self.violations.push(differs("key", key.clone(), movement.idempotency_key.clone()));
        }
        if !requests_movement(attempt, movement) {
            let requested = format!("{:?}", attempt.requested);
            self.violations.push(differs("request", requested, format!("{movement:?}")));
            return;
        }
        // Compared as JSON, so that a missing or an additional field is a difference too.
        let acknowledged: Value = serde_json::from_slice(body).unwrap_or_default();
        let expected = acknowledgement_of(attempt, id, movement, self.stored);
        if acknowledged != expected {
            self.violations.push(differs("body", acknowledged.to_string(), expected.to_string()));
        }
    }

    /// Checks the movements of one key. There is at most one movement, and the owner of the wallet requested it. The
    /// response to at least one request agrees with the movement, and the response to the last request does not deny
    /// the movement.
    fn check_movements_of_key(&mut self, key: &str, attempts: &[&MoveAttempt], movements: &[KeyMovement<'_>]) {
        for pair in movements.windows(2) {
            let (first, second) = (pair[0].id, pair[1].id);
            self.violations.push(WalletViolation::DuplicateMovement { key: key.to_owned(), first, second });
        }
        for &KeyMovement { id, stored } in movements {
            let same: Vec<_> = attempts.iter().filter(|attempt| requests_movement(attempt, stored)).collect();
            let earlier: Vec<_> = same.iter().filter(|attempt| self.may_precede(attempt, stored)).collect();
            let denied = |code| WalletViolation::DeniedButMoved { key: key.to_owned(), id, code };
            let Some(requested) = earlier.first().map(|attempt| attempt.requested) else {
                self.violations.push(WalletViolation::MovementNotRequested { key: key.to_owned(), id });
                continue;
            };
            if !earlier.iter().any(|attempt| self.may_have_moved(attempt, stored)) {
                let denial = earlier.iter().filter_map(|attempt| attempt.outcome.denial()).next_back();
                self.violations.extend(denial.map(denied));
            }
            // The response to the last request is final for the client.
            let is_last = |last: &&&&MoveAttempt| {
                same.iter().all(|other| std::ptr::eq::<MoveAttempt>(**other, ***last) || other.end <= last.start)
            };
            let denials = same.iter().filter(is_last).filter_map(|last| last.outcome.denial());
            self.violations.extend(denials.map(denied));
            let wallet = requested.own_wallet();
            if self.stored.wallets.get(&wallet).is_some_and(|owned| !stored.is_of(owned.user)) {
                self.violations.push(WalletViolation::NotTheOwner { key: key.to_owned(), id, wallet });
            }
        }
    }

    /// Checks that the reason of a refusal was true.
    fn check_refusal(&mut self, attempt: &MoveAttempt, attempts: &[&MoveAttempt], movements: &[KeyMovement<'_>]) {
        let MoveOutcome::Refused { code, balance } = &attempt.outcome else { return };
        let wallet = attempt.requested.own_wallet();
        let owned = self.stored.wallets.get(&wallet);
        let why = match code {
            Code::InsufficientFunds => match balance {
                None => Some("the response names no balance"),
                Some(balance) if balance.units() >= attempt.requested.amount().units() => {
                    Some("the balance is not smaller than the amount")
                }
                Some(balance) => {
                    // The response may repeat the refusal of an earlier attempt.
                    let start = attempts.iter().map(|attempt| attempt.start).min().unwrap_or(attempt.start);
                    let had = self.timelines.may_have_had(wallet, balance.units(), start, attempt.end);
                    (!had).then_some("the wallet did not have that balance at that time")
                }
            },
            Code::KeyReused if movements.is_empty() => Some("the key has no movement"),
            Code::KeyReused => {
                let is_same = movements.iter().any(|movement| requests_movement(attempt, movement.stored));
                is_same.then_some("the key has exactly the requested movement")
            }
            Code::NotFound => {
                let is_own = owned.is_some_and(|wallet| wallet.user == attempt.user);
                is_own.then_some("the wallet belongs to the client")
            }
            Code::ValidationFailed => {
                let is_valid = match attempt.requested {
                    RequestedMovement::Deposit { .. } | RequestedMovement::Withdraw { .. } => true,
                    RequestedMovement::Transfer { from, to, .. } => {
                        let currency = |id| self.stored.wallets.get(&id).map(|wallet| wallet.currency);
                        from != to && currency(from) == currency(to)
                    }
                };
                is_valid.then_some("the request is valid")
            }
            _ => Some("this code is not a valid response to the request"),
        };
        if let Some(why) = why {
            let key = attempt.idempotency_key.clone();
            self.violations.push(WalletViolation::FalseRefusal { key, code: *code, why });
        }
    }

    /// Checks that the wallet had each balance at the time at which a client read it.
    fn check_reads(&mut self, reads: &[BalanceRead]) {
        for &BalanceRead { wallet, balance, start, end } in reads {
            if !self.timelines.may_have_had(wallet, balance.units(), start, end) {
                self.violations.push(WalletViolation::BalanceNeverHeld { wallet, balance, at: start });
            }
        }
    }

    /// Checks that each statement lists the entries of the wallet, newest first.
    fn check_statements(&mut self, statements: &[Statement]) {
        for Statement { wallet, operations } in statements {
            let mut stored = Vec::new();
            for (id, movement) in &self.stored.movements {
                for entry in &movement.entries {
                    match entry.account {
                        StoredAccount::Wallet { id: of, number, balance } if of == *wallet => {
                            stored.push((number, (*id, entry.amount.abs(), balance, movement.created_at)));
                        }
                        StoredAccount::Wallet { .. } | StoredAccount::Outside => {}
                    }
                }
            }
            stored.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
            let listed = operations.iter().map(|operation| {
                (operation.id, operation.amount.units(), operation.balance.units(), operation.created_at)
            });
            if !listed.eq(stored.iter().map(|(_, entry)| *entry)) {
                let (listed, stored) = (operations.len(), stored.len());
                self.violations.push(WalletViolation::StatementDiffers { wallet: *wallet, listed, stored });
            }
        }
    }

    /// Checks that `buydesk wallet verify` has checked every row and found no violation.
    fn check_verification(&mut self, verified: Option<VerifiedRows>) {
        let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        // `verify` counts only the entries of wallets, and not the entries of the account for money outside Buydesk.
        let entries = self.stored.movements.values().flat_map(|movement| &movement.entries);
        let of_wallets = entries.filter(|entry| entry.account != StoredAccount::Outside).count();
        let stored = VerifiedRows {
            wallets: count(self.stored.wallets.len()),
            entries: count(of_wallets),
            movements: count(self.stored.movements.len()),
            violations: 0,
        };
        if verified != Some(stored) {
            let (reported, stored) = (format!("{verified:?}"), format!("{stored:?}"));
            self.violations.push(WalletViolation::VerificationDiffers { reported, stored });
        }
    }

    /// Whether the attempt may have started before the movement.
    fn may_precede(&self, attempt: &MoveAttempt, movement: &StoredMovement) -> bool {
        self.times == EntryTimes::Wrong || attempt.start <= movement.created_at.plus(CREATED_AT_LAG)
    }

    /// Whether the response to the attempt agrees with the movement. [`Checker::may_precede`] checks the start of the
    /// attempt.
    fn may_have_moved(&self, attempt: &MoveAttempt, movement: &StoredMovement) -> bool {
        match attempt.outcome {
            MoveOutcome::Moved { .. } => {
                self.times == EntryTimes::Wrong || movement.created_at <= attempt.end.plus(CREATED_AT_TOLERANCE)
            }
            // The request may have arrived at any time after it was sent.
            MoveOutcome::NoResponse
            | MoveOutcome::Unexpected { .. }
            | MoveOutcome::Unavailable(Code::OutcomeUnknown) => true,
            MoveOutcome::Refused { .. } | MoveOutcome::Unavailable(_) => false,
        }
    }
}
