//! A db-proxy in memory. Tests can make its calls fail.

mod calls;
mod fault;
mod responses;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use common::{
    api::{
        Code,
        orders::OwnerFilter,
        wallets::{
            CreateWalletCommand, CreatedWallet, EntryType, MoveCommand, MoveCommands, MoveOutcome, MoveRefusalReason,
            MoveRefused, Operation, OperationCommand, OperationType, TransferCommand, Wallet,
        },
    },
    clients::CallError,
    ids::{MovementId, UserId, WalletId},
    money::{Currency, Money},
    time::Timestamp,
};
use uuid::Uuid;

pub use self::fault::Fault;
use self::responses::problem;

/// A request to move money, with its outcome.
struct StoredMovement {
    command: MoveCommand,
    outcome: MoveOutcome,
}

/// A wallet with the request that created it.
struct StoredCreation {
    command: CreateWalletCommand,
    wallet: Wallet,
}

struct State {
    /// Oldest first.
    wallets: Vec<Wallet>,
    operations: HashMap<WalletId, Vec<Operation>>,
    creations: Vec<StoredCreation>,
    movements: Vec<StoredMovement>,
    fault: Fault,
    /// The refusal of new movements. Repetitions of stored movements are replayed.
    refusal: Option<MoveRefused>,
    /// The number of movements or ids in each call so far, for calls that move money or find wallets.
    batches: Vec<usize>,
    /// The last request to move money.
    requested: Option<MoveCommand>,
    /// Whether a final decision was returned.
    is_decided: bool,
    /// Whether a request was possibly processed although no final decision was returned.
    is_indeterminate: bool,
}

pub struct FakeBackend(Mutex<State>);

/// Whether two commands request the same movement.
fn is_same_request(a: &MoveCommand, b: &MoveCommand) -> bool {
    (a.operation, a.transfer) == (b.operation, b.transfer)
}

fn has_same_key(a: &MoveCommand, b: &MoveCommand) -> bool {
    (&a.client, &a.key) == (&b.client, &b.key)
}

pub fn refused(reason: MoveRefusalReason) -> MoveRefused {
    MoveRefused { reason, wallet_id: None, balance: None, currency: None }
}

fn refused_outcome(refused: MoveRefused) -> MoveOutcome {
    MoveOutcome { operation: None, transfer: None, refused: Some(refused), replayed: false }
}

impl State {
    fn decide(&mut self, command: &MoveCommand) -> MoveOutcome {
        if let Some(stored) = self.movements.iter().find(|stored| has_same_key(&stored.command, command)) {
            return if is_same_request(&stored.command, command) {
                MoveOutcome { replayed: true, ..stored.outcome.clone() }
            } else {
                refused_outcome(refused(MoveRefusalReason::KeyReused))
            };
        }
        if let Some(refused) = self.refusal {
            return refused_outcome(refused);
        }
        let outcome = match (command.operation, command.transfer) {
            (Some(operation), None) => self.apply_operation(command.owner, operation),
            (None, Some(transfer)) => self.transfer(command.owner, transfer),
            _ => panic!("the command must have exactly one of operation and transfer: {command:?}"),
        };
        match outcome {
            Ok(outcome) => {
                self.movements.push(StoredMovement { command: command.clone(), outcome: outcome.clone() });
                outcome
            }
            Err(refused) => refused_outcome(refused),
        }
    }

    fn change_balance(&mut self, id: WalletId, entry: EntryType, units: i64) -> Result<Operation, MoveRefused> {
        let wallet = self.wallets.iter_mut().find(|wallet| wallet.id == id).expect("the wallet exists");
        let balance = Money::new(wallet.currency, wallet.balance.units() + units);
        wallet.balance = balance.map_err(|_| MoveRefused {
            wallet_id: Some(id),
            balance: Some(wallet.balance),
            currency: Some(wallet.currency),
            ..refused(MoveRefusalReason::InsufficientFunds)
        })?;
        let operation = Operation {
            id: MovementId(Uuid::now_v7()),
            wallet_id: id,
            operation_type: entry,
            amount: Money::new(wallet.currency, units.abs()).unwrap(),
            balance: wallet.balance,
            created_at: Timestamp::now(),
        };
        self.operations.entry(id).or_default().push(operation.clone());
        Ok(operation)
    }

    fn find_owned_wallet(&self, id: WalletId, owner: OwnerFilter) -> Result<Wallet, MoveRefused> {
        let wallet = self.wallets.iter().find(|wallet| wallet.id == id && owner.selects(wallet.user_id));
        wallet.cloned().ok_or(MoveRefused { wallet_id: Some(id), ..refused(MoveRefusalReason::WalletNotFound) })
    }

    fn apply_operation(&mut self, owner: OwnerFilter, command: OperationCommand) -> Result<MoveOutcome, MoveRefused> {
        let wallet = self.find_owned_wallet(command.wallet_id, owner)?;
        let units = command.amount.units_of(wallet.currency).map_err(|_| MoveRefused {
            currency: Some(wallet.currency),
            ..refused(MoveRefusalReason::TooManyDecimals)
        })?;
        let operation = match command.operation_type {
            OperationType::Deposit => self.change_balance(wallet.id, EntryType::Deposit, units)?,
            OperationType::Withdraw => self.change_balance(wallet.id, EntryType::Withdraw, -units)?,
        };
        Ok(MoveOutcome { operation: Some(operation), transfer: None, refused: None, replayed: false })
    }

    fn transfer(&mut self, owner: OwnerFilter, command: TransferCommand) -> Result<MoveOutcome, MoveRefused> {
        let (from, to) = (self.find_owned_wallet(command.from, owner)?, self.find_owned_wallet(command.to, owner)?);
        let units = command.amount.units_of(from.currency).unwrap();
        let paid = self.change_balance(from.id, EntryType::TransferOut, -units)?;
        let received = self.change_balance(to.id, EntryType::TransferIn, units)?;
        let transfer = serde_json::json!({
            "id": paid.id, "from": from.id, "to": to.id, "currency": from.currency, "amount": paid.amount,
            "from_balance": paid.balance, "to_balance": received.balance, "created_at": paid.created_at,
        });
        let transfer = Some(serde_json::from_value(transfer).unwrap());
        Ok(MoveOutcome { operation: None, transfer, refused: None, replayed: false })
    }
}

impl FakeBackend {
    pub fn new() -> Self {
        Self(Mutex::new(State {
            wallets: Vec::new(),
            operations: HashMap::new(),
            creations: Vec::new(),
            movements: Vec::new(),
            fault: Fault::None,
            refusal: None,
            batches: Vec::new(),
            requested: None,
            is_decided: false,
            is_indeterminate: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn add_wallet(&self, currency: Currency, user_id: Option<UserId>) -> WalletId {
        let id = WalletId(Uuid::now_v7());
        let balance = Money::new(currency, 0).unwrap();
        self.state().wallets.push(Wallet { id, currency, balance, user_id, created_at: Timestamp::now() });
        id
    }

    pub fn balance(&self, id: WalletId) -> String {
        self.state().wallets.iter().find(|wallet| wallet.id == id).unwrap().balance.to_string()
    }

    fn create(&self, command: &CreateWalletCommand) -> Result<CreatedWallet, CallError> {
        let has_same_key =
            |stored: &&StoredCreation| (stored.command.user_id, &stored.command.key) == (command.user_id, &command.key);
        if let Some(stored) = self.state().creations.iter().find(has_same_key) {
            return if stored.command == *command {
                Ok(CreatedWallet { wallet: stored.wallet.clone(), replayed: true })
            } else {
                Err(problem(Code::KeyReused))
            };
        }
        let id = self.add_wallet(command.currency, command.user_id);
        let mut state = self.state();
        let wallet = state.wallets.iter().find(|wallet| wallet.id == id).cloned().unwrap();
        state.creations.push(StoredCreation { command: command.clone(), wallet: wallet.clone() });
        Ok(CreatedWallet { wallet, replayed: false })
    }

    /// Makes the following calls fail.
    pub fn set_fault(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// Refuses the following new movements.
    pub fn refuse(&self, refused: MoveRefused) {
        self.state().refusal = Some(refused);
    }

    /// Moves money as if an earlier request had requested it.
    pub fn store_earlier_movement(&self, command: &MoveCommand) {
        let outcome = self.state().decide(command);
        assert!(outcome.refused.is_none(), "{outcome:?}");
    }

    /// The number of movements or ids in each call so far, for calls that move money or find wallets.
    pub fn batches(&self) -> Vec<usize> {
        self.state().batches.clone()
    }

    pub fn is_decided(&self) -> bool {
        self.state().is_decided
    }

    pub fn is_indeterminate(&self) -> bool {
        self.state().is_indeterminate
    }

    /// The last request to move money.
    pub fn requested(&self) -> Option<MoveCommand> {
        self.state().requested.clone()
    }

    /// Whether the last requested movement is stored.
    pub fn is_stored(&self) -> bool {
        let state = self.state();
        let Some(requested) = &state.requested else { return false };
        let is_of_request = |stored: &StoredMovement| {
            has_same_key(&stored.command, requested) && is_same_request(&stored.command, requested)
        };
        state.movements.iter().any(is_of_request)
    }

    /// Makes the outcome indeterminate. Money moves only if `moves` is true.
    fn process_without_outcome(&self, commands: &MoveCommands, moves: bool) {
        let mut state = self.state();
        state.is_indeterminate = true;
        for command in commands.movements.iter().filter(|_| moves) {
            state.decide(command);
        }
    }

    fn decide_all(&self, commands: &MoveCommands) -> Vec<MoveOutcome> {
        let mut state = self.state();
        commands.movements.iter().map(|command| state.decide(command)).collect()
    }
}
