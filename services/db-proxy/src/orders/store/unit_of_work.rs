//! The unit of work of orders and quotes. Each engine implements the statements, and this module defines their
//! sequence.

use std::collections::{BTreeSet, HashMap};

use common::{
    api::orders::{OrderOrigin, OrderWallets},
    ids::{QuoteId, WalletId},
    money::Sats,
    time::Timestamp,
};
use uuid::Uuid;

use super::DecisionContext;
use crate::{
    database::{DatabaseError, KnownOrigin},
    group_commit::{Decided, UnitOfWork},
    orders::{
        command::{ClientKey, Command, Decision, OrderTerms, PlaceCommand},
        policy,
        records::{
            ChangeSet, RecordedRefusal, RefusalKey, Snapshot, StoredOrder, StoredQuote, StoredRecords, TimedTotals,
        },
    },
    wallets::{
        records::LockedWallets,
        store::journal::{self, JournalTransaction, RefusableRequest},
    },
};

/// An open transaction of an engine.
pub(super) trait OrderTransaction: Send + Sized {
    /// Reads the totals and the limit. Until the transaction ends, no other transaction can lock or change them.
    fn lock_totals(&mut self) -> impl Future<Output = Result<TimedTotals, DatabaseError>> + Send;

    /// The stored origin of the database: simulated or real orders. `None` if no origin is stored yet.
    fn order_origin(&mut self) -> impl Future<Output = Result<Option<OrderOrigin>, DatabaseError>> + Send;

    /// Marks open quotes as expired if they expired by `now` or were created more than `MAX_CLOCK_SKEW` after `now`. Returns the
    /// sum of their reservations.
    fn release_expired_quotes(&mut self, now: Timestamp) -> impl Future<Output = Result<Sats, DatabaseError>> + Send;

    /// The orders that were placed with these keys.
    fn orders_by_key(
        &mut self,
        keys: &[&ClientKey],
    ) -> impl Future<Output = Result<HashMap<ClientKey, StoredOrder>, DatabaseError>> + Send;

    /// The refusals that are recorded for these keys.
    fn refusals_by_key(
        &mut self,
        keys: &[&ClientKey],
    ) -> impl Future<Output = Result<HashMap<RefusalKey, RecordedRefusal>, DatabaseError>> + Send;

    /// For each of these clients, the sum of the reservations of its open quotes. Clients without open quotes are absent.
    fn reserved_by_client(
        &mut self,
        clients: &[&str],
    ) -> impl Future<Output = Result<HashMap<String, Sats>, DatabaseError>> + Send;

    fn quotes_by_id(&mut self, ids: Vec<Uuid>) -> impl Future<Output = Result<Vec<StoredQuote>, DatabaseError>> + Send;

    /// Writes all changes except `changes.wallet_changes`.
    fn write_changes(&mut self, changes: &ChangeSet) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Wallets and their journal, for paid orders.
    fn journal(&mut self) -> impl JournalTransaction;

    fn commit(self) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    fn roll_back(self) -> impl Future<Output = Result<(), DatabaseError>> + Send;
}

/// A transaction, and the context for the decisions about its batch.
pub(super) struct OrderUnit<'a, T> {
    pub transaction: T,
    pub context: DecisionContext<'a>,
    /// The stored origin of the database, after this process has read it.
    pub origin: &'a KnownOrigin,
}

impl<T: OrderTransaction> UnitOfWork for OrderUnit<'_, T> {
    type Command = Command;
    type Snapshot = Snapshot;
    type Decision = Decision;
    type Changes = ChangeSet;

    async fn load_snapshot(&mut self, commands: &[Command]) -> Result<Snapshot, DatabaseError> {
        let sent = self.context.clock.read();
        let locked = self.transaction.lock_totals().await?;
        let mut now = self.context.clock.time_of(sent, &locked)?;
        let mut wallets = LockedWallets::default();
        let ids = wallets_of(commands);
        if !ids.is_empty() {
            wallets = journal::lock_wallets(&mut self.transaction.journal(), ids).await?;
            // The transaction possibly waited for the locks of the wallets.
            now = self.context.clock.time_after(now)?;
        }
        let TimedTotals { totals, limit, .. } = locked;
        // The limit is in the locked row, so it does not change until this transaction ends.
        self.context.limit = limit.unwrap_or(self.context.limit);
        let released =
            if totals.reserved > Sats::ZERO { self.transaction.release_expired_quotes(now).await? } else { Sats::ZERO };
        let origin = self.load_origin().await?;
        let records = self.load_records(commands, totals.last_refused_at).await?;
        if !wallets.wallets.is_empty() {
            let requests = paid_orders(commands).map(|(command, OrderWallets { paying, .. })| RefusableRequest {
                key: &command.key,
                wallet: paying,
                requested_at: command.requested_at,
            });
            journal::load_refusals(&mut self.transaction.journal(), &mut wallets, requests).await?;
        }
        Ok(Snapshot { totals, released, now, origin, records, wallets })
    }

    fn decide(&self, snapshot: Snapshot, commands: &mut [Command]) -> Decided<Decision, ChangeSet> {
        policy::decide_batch(self.context.limit, snapshot, commands)
    }

    async fn write_changes(&mut self, changes: &ChangeSet) -> Result<(), DatabaseError> {
        if let Some(wallet_changes) = &changes.wallet_changes {
            self.transaction.journal().write_changes(wallet_changes).await?;
        }
        self.transaction.write_changes(changes).await
    }

    async fn commit(self) -> Result<(), DatabaseError> {
        self.transaction.commit().await
    }

    async fn roll_back(self) -> Result<(), DatabaseError> {
        self.transaction.roll_back().await
    }
}

impl<T: OrderTransaction> OrderUnit<'_, T> {
    /// The stored origin of the database. A stored origin never changes, so this process reads it only one time.
    async fn load_origin(&mut self) -> Result<Option<OrderOrigin>, DatabaseError> {
        if let Some(origin) = self.origin.get() {
            return Ok(Some(origin));
        }
        let origin = self.transaction.order_origin().await?;
        // This transaction has stored no origin yet, so an origin that it reads is committed.
        if let Some(origin) = origin {
            self.origin.set(origin);
        }
        Ok(origin)
    }

    /// Reads the rows that a batch refers to. Skips statements that are not needed.
    async fn load_records(
        &mut self,
        commands: &[Command],
        last_refused_at: Timestamp,
    ) -> Result<StoredRecords, DatabaseError> {
        let LookupKeys { keys, quotes, clients, oldest_request } = LookupKeys::of(commands);
        let mut records = StoredRecords::default();
        if !keys.is_empty() {
            records.orders = self.transaction.orders_by_key(&keys).await?;
        }
        // No refusal applies to a request that is newer than the last refusal.
        if oldest_request.is_some_and(|requested_at| requested_at <= last_refused_at) {
            records.refusals = self.transaction.refusals_by_key(&keys).await?;
        }
        if !clients.is_empty() {
            records.reserved_by_client = self.transaction.reserved_by_client(&clients).await?;
        }
        if !quotes.is_empty() {
            let quotes = self.transaction.quotes_by_id(quotes).await?;
            records.quotes = quotes.into_iter().map(|stored| (stored.quote.id, stored)).collect();
        }
        Ok(records)
    }
}

/// The paid orders of a batch, with their wallets.
fn paid_orders(commands: &[Command]) -> impl Iterator<Item = (&PlaceCommand, OrderWallets)> {
    commands.iter().filter_map(|command| match command {
        Command::Place(command) => Some((command, command.wallets?)),
        Command::Quote(_) | Command::ReleaseQuote(_) => None,
    })
}

/// The wallets that the orders of a batch name.
fn wallets_of(commands: &[Command]) -> BTreeSet<WalletId> {
    paid_orders(commands)
        .flat_map(|(_, OrderWallets { paying, credited })| std::iter::once(paying).chain(credited))
        .collect()
}

/// The keys of the rows that a batch reads, and the time of its oldest request.
struct LookupKeys<'a> {
    keys: Vec<&'a ClientKey>,
    /// Quotes that orders take or clients release, and quotes that earlier attempts created.
    quotes: Vec<Uuid>,
    /// The clients that request quotes.
    clients: Vec<&'a str>,
    /// The earliest time at which an order of the batch was requested.
    oldest_request: Option<Timestamp>,
}

impl<'a> LookupKeys<'a> {
    fn of(commands: &'a [Command]) -> Self {
        let mut lookup = Self {
            keys: Vec::with_capacity(commands.len()),
            quotes: Vec::new(),
            clients: Vec::new(),
            oldest_request: None,
        };
        for command in commands {
            match command {
                Command::Place(PlaceCommand { key, terms, requested_at, .. }) => {
                    lookup.keys.push(key);
                    if let OrderTerms::Quote(QuoteId(id)) = terms {
                        lookup.quotes.push(*id);
                    }
                    let oldest = lookup.oldest_request.unwrap_or(*requested_at);
                    lookup.oldest_request = Some(oldest.min(*requested_at));
                }
                Command::Quote(quote) => {
                    lookup.quotes.extend(quote.attempted_ids.iter().map(|id| id.0));
                    lookup.clients.extend(quote.client.as_deref());
                }
                Command::ReleaseQuote(release) => lookup.quotes.push(release.id.0),
            }
        }
        lookup
    }
}
