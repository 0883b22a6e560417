//! Checks the journal page by page: reads the rows of a page, applies the rules of [`verification`], and finds the next page.

use common::{
    api::wallets::{CheckedRows, MAX_VERIFIED_ROWS, VerificationCursor, VerificationPage},
    ids::{MovementId, WalletId},
};
use uuid::Uuid;

use super::{
    page_len,
    store::{EntryPosition, MovementRange, WalletStore},
    verification,
};
use crate::database::DatabaseError;

impl WalletStore {
    /// Checks a page of the rows after the cursor. A page has at most `limit` wallets, entries or movements, and a page of movements
    /// also covers at most `limit` orders. `limit` is clamped to the range from 1 to [`MAX_VERIFIED_ROWS`].
    pub async fn verify_journal(
        &self,
        cursor: Option<VerificationCursor>,
        limit: u32,
    ) -> Result<VerificationPage, DatabaseError> {
        let limit = limit.clamp(1, MAX_VERIFIED_ROWS);
        match cursor.unwrap_or(VerificationCursor::Wallets(WalletId(Uuid::nil()))) {
            VerificationCursor::Wallets(after) => self.verify_wallets(after, limit).await,
            VerificationCursor::Entries { wallet, number } => {
                self.verify_entries(EntryPosition { wallet, number }, limit).await
            }
            VerificationCursor::Movements(after) => self.verify_movements(after, limit).await,
        }
    }

    async fn verify_wallets(&self, after: WalletId, limit: u32) -> Result<VerificationPage, DatabaseError> {
        let wallets = self.wallet_balances(after, limit).await?;
        let is_full = wallets.len() == page_len(limit);
        let next_cursor = match wallets.last().filter(|_| is_full) {
            Some(last) => VerificationCursor::Wallets(last.id),
            None => VerificationCursor::Entries { wallet: WalletId(Uuid::nil()), number: 0 },
        };
        Ok(VerificationPage {
            checked: CheckedRows { wallets: row_count(wallets.len()), ..CheckedRows::default() },
            violations: verification::check_wallets(&wallets),
            next_cursor: Some(next_cursor),
        })
    }

    async fn verify_entries(&self, from: EntryPosition, limit: u32) -> Result<VerificationPage, DatabaseError> {
        // The entry at `from`, if any, was checked on the previous page. Its balance is needed to check the next entry.
        let entries = self.journal_entries(from, limit + 1).await?;
        let is_full = entries.len() > page_len(limit);
        let is_checked =
            entries.first().is_some_and(|first| (first.wallet, first.number) == (from.wallet, from.number));
        let (previous, unchecked) = entries.split_at(usize::from(is_checked));
        let next_cursor = match entries.last().filter(|_| is_full) {
            Some(last) => VerificationCursor::Entries { wallet: last.wallet, number: last.number },
            None => VerificationCursor::Movements(MovementId(Uuid::nil())),
        };
        Ok(VerificationPage {
            checked: CheckedRows { entries: row_count(unchecked.len()), ..CheckedRows::default() },
            violations: verification::check_entries(previous.first(), unchecked),
            next_cursor: Some(next_cursor),
        })
    }

    async fn verify_movements(&self, after: MovementId, limit: u32) -> Result<VerificationPage, DatabaseError> {
        // The page ends after `limit` movements or `limit` orders, whichever comes first. Unpaid orders count too,
        // because no index selects the paid orders.
        let end_of_orders = self.nth_order_after(after, limit).await?.map(|order| MovementId(order.0));
        let last = end_of_orders.unwrap_or(MovementId(Uuid::max()));
        let lines = self.movement_lines(MovementRange { after, last }, limit).await?;
        let movements = lines.chunk_by(|a, b| a.movement == b.movement).count();
        let end_of_movements = lines.last().filter(|_| movements == page_len(limit)).map(|last| last.movement);
        let next = end_of_movements.or(end_of_orders);
        let paid_orders = self.paid_orders(MovementRange { after, last: next.unwrap_or(last) }).await?;
        let mut violations = verification::check_movements(&lines);
        violations.extend(verification::check_paid_orders(&paid_orders));
        Ok(VerificationPage {
            checked: CheckedRows {
                movements: row_count(movements),
                paid_orders: row_count(paid_orders.len()),
                ..CheckedRows::default()
            },
            violations,
            next_cursor: next.map(VerificationCursor::Movements),
        })
    }
}

fn row_count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
