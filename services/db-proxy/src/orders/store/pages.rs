//! Pages of orders, newest first, by offset and by cursor.

use common::api::orders::{ClientReference, Cursor, OffsetPage, OrderFilter, OrderPage};

use super::{OrderStore, ReferenceScan, Scan};
use crate::{database::DatabaseError, orders::records::StoredOrder};

/// Maximum number of rows that one statement of a filtered page reads. It limits the duration of the statement for any filter.
const SCAN_WINDOW: i64 = 50_000;
/// Maximum number of rows that all statements of a filtered page read together. A page may therefore have fewer orders than
/// requested, or none, and still have a next page.
const SCAN_BUDGET: i64 = 500_000;
/// An upper bound above every sequence number. A scan from here starts at the newest order.
const NEWEST: i64 = i64::MAX;

impl OrderStore {
    /// A page that skips the newest `start` orders.
    pub async fn page_by_offset(&self, start: u64, page_size: u32) -> Result<OffsetPage, DatabaseError> {
        // Sequence numbers have no gap, so an offset needs no counting. The first page needs no totals either.
        let up_to = if start == 0 { NEWEST } else { self.totals().await?.orders.saturating_sub_unsigned(start) };
        let rows = if up_to > 0 {
            let filter = &OrderFilter::default();
            self.scan(Scan { above: 0, up_to, filter, limit: i64::from(page_size) }).await?
        } else {
            Vec::new()
        };
        let more = rows.last().is_some_and(|row| row.seq > 1);
        Ok(OffsetPage { data: rows.into_iter().map(|row| row.order).collect(), more })
    }

    /// A page of the orders that pass `filter`, after `cursor`.
    pub async fn page_by_cursor(
        &self,
        filter: &OrderFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<OrderPage, DatabaseError> {
        let newest = match filter.to {
            Some(to) => self.last_seq_before(to).await?,
            // Only a page in windows needs the newest sequence number.
            None if filter.selects_by_value() => self.totals().await?.orders,
            None => NEWEST,
        };
        let up_to = first_seq(newest, cursor);
        let above = self.seq_before(filter).await?;
        let scan = Scan { above, up_to, filter, limit: i64::from(limit) };
        if filter.selects_by_value() { self.page_in_windows(scan).await } else { self.page_of_all(scan).await }
    }

    /// A page of the orders that have the reference and pass `filter`, after `cursor`.
    ///
    /// Reads as many orders with the reference as the page may have, and returns those that pass the filter. So its cost does not
    /// depend on the filter.
    pub async fn page_by_reference(
        &self,
        reference: &ClientReference,
        filter: &OrderFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<OrderPage, DatabaseError> {
        let newest = match filter.to {
            Some(to) => self.last_seq_before(to).await?,
            None => NEWEST,
        };
        let (above, up_to) = (self.seq_before(filter).await?, first_seq(newest, cursor));
        let mut rows = if up_to > above {
            self.scan_reference(ReferenceScan { reference, above, up_to, limit: i64::from(limit) }).await?
        } else {
            Vec::new()
        };
        let next = rows.last().filter(|_| row_count(&rows) == i64::from(limit)).map(|row| row.seq);
        rows.retain(|row| filter.selects(row.order.currency, row.order.amount));
        Ok(page_of(rows, next))
    }

    /// The sequence number below all orders that pass the filter.
    async fn seq_before(&self, filter: &OrderFilter) -> Result<i64, DatabaseError> {
        match filter.from {
            Some(from) => self.last_seq_before(from).await,
            None => Ok(0),
        }
    }

    /// A page of a range in which every order passes the filter: the first rows of the index.
    async fn page_of_all(&self, scan: Scan<'_>) -> Result<OrderPage, DatabaseError> {
        let rows = if scan.up_to > scan.above { self.scan(scan).await? } else { Vec::new() };
        let last = rows.last().filter(|row| row_count(&rows) == scan.limit && row.seq > scan.above + 1);
        let next = last.map(|row| row.seq);
        Ok(page_of(rows, next))
    }

    /// A page of a range in which the filter may exclude orders. Reads one window of rows after the other.
    async fn page_in_windows(&self, scan: Scan<'_>) -> Result<OrderPage, DatabaseError> {
        let (mut rows, mut up_to) = (Vec::new(), scan.up_to);
        let end = (scan.up_to - SCAN_BUDGET).max(scan.above);
        while up_to > end {
            let above = (up_to - SCAN_WINDOW).max(end);
            rows.extend(self.scan(Scan { above, up_to, limit: scan.limit - row_count(&rows), ..scan }).await?);
            if row_count(&rows) == scan.limit {
                up_to = rows.last().map_or(above, |row: &StoredOrder| row.seq - 1);
                break;
            }
            up_to = above;
        }
        Ok(page_of(rows, (up_to > scan.above).then_some(up_to + 1)))
    }
}

/// The sequence number at which a page starts. A forged cursor may be above the newest order.
fn first_seq(newest: i64, cursor: Option<Cursor>) -> i64 {
    cursor.map_or(newest, |Cursor(last_seen)| newest.min(last_seen - 1))
}

/// A page of these rows. The next page starts below the sequence number `next`.
fn page_of(rows: Vec<StoredOrder>, next: Option<i64>) -> OrderPage {
    OrderPage { data: rows.into_iter().map(|row| row.order).collect(), next_cursor: next.map(Cursor) }
}

fn row_count(rows: &[StoredOrder]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}
