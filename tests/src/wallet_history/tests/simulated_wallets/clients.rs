//! The clients of the simulated service.

use common::ids::WalletId;

use super::{PlantedBug, SimulatedWallets};
use crate::wallet_history::{
    BalanceRead, MoveAttempt, MoveOutcome, RequestedMovement,
    journal::{StoredWallet, money_of},
};

impl SimulatedWallets {
    /// One random action of a client.
    pub(super) fn act(&mut self) {
        self.advance_clock();
        let (own, other) = (self.own_wallet(), self.random_wallet());
        let amount = self.rng.i64(1..=1_000);
        let amount_of = |service: &Self, wallet| money_of(service.stored.wallets[&wallet].currency, amount);
        let deposit = RequestedMovement::Deposit { wallet: own, amount: amount_of(self, own) };
        match self.rng.u32(0..10) {
            0..=2 => drop(self.send(&deposit)),
            3..=4 => drop(self.send(&RequestedMovement::Withdraw { wallet: own, amount: amount_of(self, own) })),
            5..=6 => {
                drop(self.send(&RequestedMovement::Transfer { from: own, to: other, amount: amount_of(self, own) }));
            }
            7 => {
                let key = self.new_key();
                for _ in 0..3 {
                    self.send_with_key(&key, &deposit);
                }
                let conflicting = RequestedMovement::Withdraw { wallet: own, amount: amount_of(self, own) };
                self.send_with_key(&key, &conflicting);
            }
            8 => drop(self.send(&RequestedMovement::Withdraw { wallet: other, amount: amount_of(self, other) })),
            _ => self.read_balance(own),
        }
    }

    fn own_wallet(&mut self) -> WalletId {
        let own = self.wallets.iter().filter(|id| self.stored.wallets[*id].user == self.user);
        *self.rng.choice(own.collect::<Vec<_>>()).unwrap()
    }

    fn random_wallet(&mut self) -> WalletId {
        self.wallets[self.rng.usize(0..self.wallets.len())]
    }

    fn send(&mut self, requested: &RequestedMovement) -> MoveOutcome {
        let key = self.new_key();
        self.send_with_key(&key, requested)
    }

    /// Sends the request until its outcome is final or unexpected, and records each attempt.
    fn send_with_key(&mut self, key: &str, requested: &RequestedMovement) -> MoveOutcome {
        loop {
            let start = self.now;
            self.advance_clock();
            let outcome = self.transmit(key, requested);
            self.advance_clock();
            self.history.attempts.push(MoveAttempt {
                user: self.user,
                idempotency_key: key.to_owned(),
                requested: *requested,
                start,
                end: self.now,
                outcome: outcome.clone(),
            });
            if outcome.is_final() || matches!(outcome, MoveOutcome::Unexpected { .. }) {
                return outcome;
            }
        }
    }

    fn read_balance(&mut self, wallet: WalletId) {
        let start = self.now;
        self.advance_clock();
        let StoredWallet { currency, balance, .. } = self.stored.wallets[&wallet];
        let balance = if self.triggers(PlantedBug::WrongRead) { balance + 1 } else { balance };
        self.advance_clock();
        let balance = money_of(currency, balance.max(0));
        self.history.reads.push(BalanceRead { wallet, balance, start, end: self.now });
    }
}
