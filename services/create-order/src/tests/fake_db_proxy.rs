//! A db-proxy in memory with one fault.

mod responses;

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use common::{
    api::{
        Code,
        limit::{OrderLimit, SetLimitCommand},
        orders::{
            MarketOrder, Order, OrderSummary, Outcome, Outcomes, OwnerFilter, PlaceOrderCommand, PlaceOrderCommands,
            Placed, RefusalReason, Refused,
        },
        quotes::{CreateQuoteCommand, Quote, QuoteOutcome, QuoteState},
    },
    clients::{CallError, CallOutcome},
    ids::{IdempotencyKey, QuoteId},
    money::{Currency, FiatAmount},
};

use self::responses::{failed, invalid_response, no_response, order, problem, quote, refused, unreachable};
use super::faults::{CLIENT_KEY, KeyState, RemoteFault};
use crate::order_backend::OrderBackend;

pub const QUOTE_ID: &str = "01a1fd9f-ceb3-725e-83ba-6e2a33032a2b";
/// The amount of the order that used the key in [`KeyState::PlacedForOtherOrder`].
pub const OTHER_AMOUNT: &str = "70";

struct State {
    fault: RemoteFault,
    /// The stored order, with its idempotency key and the command that placed it.
    stored: Option<(IdempotencyKey, PlaceOrderCommand, Order)>,
    quote_is_stored: bool,
    last_key: Option<IdempotencyKey>,
    /// Whether a final decision about the order was returned.
    is_decided: bool,
    /// Whether a request was possibly received that got no decision.
    is_indeterminate: bool,
    last_command: Option<PlaceOrderCommand>,
}

pub struct FakeDbProxy(Mutex<State>);

/// The command for the order that these tests request.
pub fn market_command() -> PlaceOrderCommand {
    PlaceOrderCommand {
        client: "anonymous".to_owned(),
        key: CLIENT_KEY.parse().unwrap(),
        requested_at: None,
        market: Some(market_order("69")),
        quote: None,
        client_reference: None,
        metadata: None,
        user_id: None,
        wallet_id: None,
        credit_wallet_id: None,
        traceparent: None,
    }
}

fn market_order(text: &str) -> MarketOrder {
    MarketOrder { currency: Currency::EUR, amount: Some(amount(text)), bitcoin_amount: None, price: None }
}

fn amount(text: &str) -> FiatAmount {
    text.parse().unwrap()
}

/// Whether two commands request the same order.
fn is_same_order(a: &PlaceOrderCommand, b: &PlaceOrderCommand) -> bool {
    let terms = |command: &PlaceOrderCommand| {
        (command.market.as_ref().map(|market| (market.currency, market.amount)), command.quote)
    };
    terms(a) == terms(b)
}

impl State {
    fn new(fault: RemoteFault) -> Self {
        Self {
            fault,
            stored: None,
            quote_is_stored: false,
            last_key: None,
            is_decided: false,
            is_indeterminate: false,
            last_command: None,
        }
    }
}

impl FakeDbProxy {
    pub fn new() -> Self {
        Self(Mutex::new(State::new(RemoteFault::None)))
    }

    /// Replaces the state by the initial state of a case.
    pub fn reset(&self, key: KeyState, fault: RemoteFault, takes_quote: bool) {
        let mut command = market_command();
        if takes_quote {
            (command.market, command.quote) = (None, Some(QUOTE_ID.parse::<QuoteId>().unwrap()));
        }
        if key == KeyState::PlacedForOtherOrder {
            (command.market, command.quote) = (Some(market_order(OTHER_AMOUNT)), None);
        }
        let is_used = matches!(key, KeyState::PlacedBefore | KeyState::PlacedForOtherOrder);
        let stored = is_used.then(|| (command.key.clone(), command, order()));
        *self.state() = State { stored, ..State::new(fault) };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Whether the order of the last command is stored. Before the first command: whether the order that the tests
    /// request is stored with [`CLIENT_KEY`].
    pub fn is_stored(&self) -> bool {
        let state = self.state();
        let Some((key, stored, _)) = &state.stored else { return false };
        match &state.last_command {
            Some(command) => *key == command.key && is_same_order(stored, command),
            None => key.as_str() == CLIENT_KEY && stored.market.as_ref().is_none_or(|m| m.amount == Some(amount("69"))),
        }
    }

    pub fn fault(&self) -> RemoteFault {
        self.state().fault
    }

    pub fn is_decided(&self) -> bool {
        self.state().is_decided
    }

    pub fn is_indeterminate(&self) -> bool {
        self.state().is_indeterminate
    }

    pub fn is_quote_stored(&self) -> bool {
        self.state().quote_is_stored
    }

    /// Stores an open quote.
    pub fn store_quote(&self) {
        self.state().quote_is_stored = true;
    }

    pub fn last_key(&self) -> Option<IdempotencyKey> {
        self.state().last_key.clone()
    }

    /// Decides about an order, and stores it if it is placed.
    fn decide(&self, command: &PlaceOrderCommand) -> Outcome {
        let mut state = self.state();
        if let Some((key, stored, order)) = &state.stored
            && *key == command.key
        {
            return if is_same_order(stored, command) {
                Outcome { placed: Some(Placed { order: order.clone(), replayed: true }), refused: None }
            } else {
                refused(RefusalReason::KeyReused)
            };
        }
        if command.market.as_ref().is_some_and(|market| market.price.is_none()) {
            return refused(RefusalReason::PriceUnavailable);
        }
        if state.fault == RemoteFault::LimitReached {
            return refused(RefusalReason::LimitExceeded);
        }
        let order = order();
        state.stored = Some((command.key.clone(), command.clone(), order.clone()));
        Outcome { placed: Some(Placed { order, replayed: false }), refused: None }
    }

    /// Decides about an order, and records that a final decision is returned.
    fn decide_finally(&self, command: &PlaceOrderCommand) -> Outcome {
        let outcome = self.decide(command);
        (self.state().is_decided, self.state().is_indeterminate) = (true, false);
        outcome
    }
}

impl FakeDbProxy {
    /// The response to a request about a quote: `quote`, a refusal with `reason`, or an error. `apply` is the effect of
    /// an accepted request on the state.
    fn decide_quote(
        &self,
        quote: Quote,
        reason: RefusalReason,
        apply: impl Fn(&mut State),
    ) -> Result<QuoteOutcome, CallError> {
        let receive = |takes_effect: bool| {
            let mut state = self.state();
            state.is_indeterminate = true;
            if takes_effect {
                apply(&mut state);
            }
        };
        let fault = self.fault();
        match fault {
            // There is no fault, or the fault affects only orders.
            RemoteFault::None
            | RemoteFault::QueueFull
            | RemoteFault::Stopping
            | RemoteFault::Hangs
            | RemoteFault::Panics
            | RemoteFault::WrongCount
            | RemoteFault::LostThenDecided { .. } => {
                apply(&mut self.state());
                Ok(QuoteOutcome { quote: Some(quote), refused: None, exceeded_cap: None, exceeded_caps: Vec::new() })
            }
            RemoteFault::LimitReached | RemoteFault::LostThenRefused => {
                let refused = Refused::because(reason);
                Ok(QuoteOutcome { quote: None, refused: Some(refused), exceeded_cap: None, exceeded_caps: Vec::new() })
            }
            RemoteFault::Unreachable => Err(unreachable()),
            RemoteFault::ApiKeyUnchecked => panic!("a request whose API key cannot be checked must not be sent"),
            RemoteFault::Problem(code) => {
                self.state().is_indeterminate = code == Code::OutcomeUnknown;
                Err(problem(code))
            }
            RemoteFault::LostResponse { placed } | RemoteFault::LostThenUnreachable { placed } => {
                receive(placed);
                Err(no_response())
            }
            RemoteFault::InvalidResponse => {
                receive(true);
                Err(invalid_response())
            }
            RemoteFault::EmptyOutcome => {
                receive(true);
                Ok(QuoteOutcome { quote: None, refused: None, exceeded_cap: None, exceeded_caps: Vec::new() })
            }
        }
    }
}

#[async_trait]
impl OrderBackend for FakeDbProxy {
    async fn place_orders(&self, orders: &PlaceOrderCommands) -> CallOutcome<Outcomes> {
        let [command] = &orders.orders[..] else { panic!("the tests place one order at a time") };
        {
            let mut state = self.state();
            (state.last_key, state.last_command) = (Some(command.key.clone()), Some(command.clone()));
        }
        let receive = |placed: bool| {
            self.state().is_indeterminate = true;
            if placed {
                self.decide(command);
            }
        };
        let outcomes = |outcomes: Vec<Outcome>| Ok(Outcomes { outcomes, decided_at: None });
        let fault = self.fault();
        match fault {
            RemoteFault::QueueFull | RemoteFault::Stopping | RemoteFault::ApiKeyUnchecked => {
                panic!("the order must not be sent")
            }
            RemoteFault::None | RemoteFault::LimitReached => {
                CallOutcome { result: outcomes(vec![self.decide_finally(command)]), unanswered: false }
            }
            RemoteFault::Unreachable => failed(unreachable(), false),
            RemoteFault::Problem(code) => {
                self.state().is_indeterminate = code == Code::OutcomeUnknown;
                failed(problem(code), false)
            }
            RemoteFault::LostResponse { placed } => {
                receive(placed);
                failed(no_response(), false)
            }
            RemoteFault::LostThenUnreachable { placed } => {
                receive(placed);
                failed(unreachable(), true)
            }
            RemoteFault::LostThenDecided { placed } => {
                receive(placed);
                let outcome = self.decide(command);
                // A placed order and `KeyReused` are final. After other refusals, the first attempt can still place the
                // order.
                let is_final =
                    outcome.refused.as_ref().is_none_or(|refused| refused.reason == RefusalReason::KeyReused);
                if is_final {
                    self.decide_finally(command);
                }
                CallOutcome { result: outcomes(vec![outcome]), unanswered: true }
            }
            RemoteFault::LostThenRefused => {
                receive(false);
                CallOutcome { result: outcomes(vec![refused(RefusalReason::LimitExceeded)]), unanswered: true }
            }
            RemoteFault::InvalidResponse => {
                receive(true);
                failed(invalid_response(), false)
            }
            RemoteFault::WrongCount => {
                receive(true);
                let outcome = self.decide(command);
                CallOutcome { result: outcomes(vec![outcome.clone(), outcome]), unanswered: false }
            }
            RemoteFault::EmptyOutcome => {
                receive(true);
                let outcome = Outcome { placed: None, refused: None };
                CallOutcome { result: outcomes(vec![outcome]), unanswered: false }
            }
            RemoteFault::Panics => {
                receive(true);
                panic!("a defect of the client")
            }
            RemoteFault::Hangs => {
                receive(true);
                // Longer than create-order waits.
                tokio::time::sleep(Duration::from_secs(60)).await;
                failed(no_response(), false)
            }
        }
    }

    async fn create_quote(&self, command: &CreateQuoteCommand) -> Result<QuoteOutcome, CallError> {
        let quote = Quote {
            currency: command.currency,
            amount: command.amount,
            exchange_rate: command.price.exchange_rate,
            bitcoin_amount: command.price.bitcoin_amount,
            ..quote(QUOTE_ID.parse().unwrap(), QuoteState::Open)
        };
        self.decide_quote(quote, RefusalReason::LimitExceeded, |state| state.quote_is_stored = true)
    }

    async fn find_quote(&self, _: QuoteId, _: OwnerFilter) -> Result<QuoteOutcome, CallError> {
        Err(unreachable())
    }

    async fn release_quote(&self, id: QuoteId, _: OwnerFilter) -> Result<QuoteOutcome, CallError> {
        let quote = quote(id, QuoteState::Released);
        self.decide_quote(quote, RefusalReason::QuoteTaken, |state| state.quote_is_stored = false)
    }

    async fn order_summary(&self) -> Result<OrderSummary, CallError> {
        Err(unreachable())
    }

    async fn order_limit(&self) -> Result<OrderLimit, CallError> {
        Err(unreachable())
    }

    async fn set_order_limit(&self, _command: &SetLimitCommand) -> Result<OrderLimit, CallError> {
        Err(unreachable())
    }
}
