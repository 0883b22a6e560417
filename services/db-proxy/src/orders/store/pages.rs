//! Pages of the orders of an owner, newest first, by offset and by cursor.
//!
//! The orders of all owners are a range of sequence numbers. The orders of a user have an index.
//!
//! The anonymous orders have no index, because it would slow down the insertion of each order. Instead, each order of a
//! user stores how many anonymous orders precede it. These numbers have an index. Orders of users between the same two
//! anonymous orders store the same number. A scan uses the index to find the oldest order with this number, and skips
//! to the anonymous order before it. The index also finds the n-th anonymous order.

use common::{
    api::orders::{ClientReference, Cursor, OffsetPage, OrderFilter, OrderPage, OwnerFilter},
    ids::UserId,
};

use super::{OrderStore, ReferenceScan, Scan, UserRange};
use crate::{database::DatabaseError, orders::records::StoredOrder};

/// Maximum number of rows that one statement of a filtered page reads. It limits the duration of the statement for any filter.
const SCAN_WINDOW: i64 = 50_000;
/// Maximum number of such statements for one page. A page may therefore have fewer orders than requested, or none, and still have
/// a next page.
const MAX_WINDOWS: usize = 10;
/// An upper bound above every sequence number. A scan from here starts at the newest order.
const NEWEST: i64 = i64::MAX;

/// The orders of a page, newest first, and whether older orders follow.
struct PageRows {
    rows: Vec<StoredOrder>,
    more: bool,
}

impl OrderStore {
    /// A page that skips the newest `start` orders of the owner.
    pub async fn page_by_offset(
        &self,
        owner: OwnerFilter,
        start: u64,
        page_size: u32,
    ) -> Result<OffsetPage, DatabaseError> {
        let Some(up_to) = self.seq_at_offset(owner, start).await? else { return Ok(OffsetPage::default()) };
        let filter = &OrderFilter::default();
        let PageRows { rows, more } =
            self.page_of_all(Scan { above: 0, up_to, owner, filter, limit: i64::from(page_size) }).await?;
        Ok(OffsetPage { data: rows.into_iter().map(|row| row.order).collect(), more })
    }

    /// A page of the orders of the owner that pass `filter`, after `cursor`.
    pub async fn page_by_cursor(
        &self,
        owner: OwnerFilter,
        filter: &OrderFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<OrderPage, DatabaseError> {
        let newest = match (filter.to, owner) {
            (Some(to), _) => self.last_seq_before(to).await?,
            // Only a page that is read in windows of sequence numbers needs the newest sequence number.
            (None, OwnerFilter::Everybody | OwnerFilter::Anonymous) if filter.selects_by_value() => {
                self.totals().await?.orders
            }
            (None, _) => NEWEST,
        };
        let up_to = first_seq(newest, cursor);
        let above = self.seq_before(filter).await?;
        let scan = Scan { above, up_to, owner, filter, limit: i64::from(limit) };
        if filter.selects_by_value() {
            return self.page_in_windows(scan).await;
        }
        let PageRows { rows, more } = self.page_of_all(scan).await?;
        let next = rows.last().filter(|_| more).map(|row| row.seq);
        Ok(page_of(rows, next))
    }

    /// A page of the orders of the owner that have the reference and pass `filter`, after `cursor`.
    ///
    /// Reads at most `limit` orders with the reference, and returns the orders among them that pass the filter. A page
    /// may therefore have fewer orders than `limit`, or none, and still have a next page.
    pub async fn page_by_reference(
        &self,
        owner: OwnerFilter,
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
            self.scan_reference(ReferenceScan { owner, reference, above, up_to, limit: i64::from(limit) }).await?
        } else {
            Vec::new()
        };
        let next = rows.last().filter(|_| row_count(&rows) == i64::from(limit)).map(|row| row.seq);
        rows.retain(|row| filter.selects(row.order.currency, row.order.amount));
        Ok(page_of(rows, next))
    }

    /// The sequence number at which a page begins if it skips the newest `start` orders of the owner. `None` if a positive
    /// `start` skips all orders.
    async fn seq_at_offset(&self, owner: OwnerFilter, start: u64) -> Result<Option<i64>, DatabaseError> {
        // The first page needs no totals.
        if start == 0 {
            return Ok(Some(NEWEST));
        }
        match owner {
            // Sequence numbers have no gap, so an offset needs no counting.
            OwnerFilter::Everybody => {
                let seq = self.totals().await?.orders.saturating_sub_unsigned(start);
                Ok(Some(seq).filter(|seq| *seq > 0))
            }
            OwnerFilter::Anonymous => {
                let totals = self.totals().await?;
                let number = totals.anonymous_orders().saturating_sub_unsigned(start);
                if number <= 0 || totals.user_orders == 0 {
                    return Ok(Some(number).filter(|number| *number > 0));
                }
                Ok(Some(number + self.user_orders_before_anonymous(number).await?))
            }
            OwnerFilter::User(user) => {
                let Ok(skipped) = i64::try_from(start) else { return Ok(None) };
                self.seq_of_user(UserRange { user, above: 0, up_to: NEWEST }, skipped).await
            }
        }
    }

    /// The exclusive lower bound of the sequence numbers that the times of the filter select.
    async fn seq_before(&self, filter: &OrderFilter) -> Result<i64, DatabaseError> {
        match filter.from {
            Some(from) => self.last_seq_before(from).await,
            None => Ok(0),
        }
    }

    /// A page of a range in which every order of the owner passes the filter.
    async fn page_of_all(&self, scan: Scan<'_>) -> Result<PageRows, DatabaseError> {
        if scan.up_to <= scan.above {
            return Ok(PageRows { rows: Vec::new(), more: false });
        }
        if scan.owner == OwnerFilter::Everybody {
            let rows = self.scan(scan).await?;
            let more = row_count(&rows) == scan.limit && rows.last().is_some_and(|row| row.seq > scan.above + 1);
            return Ok(PageRows { rows, more });
        }
        // All older orders in the range may belong to other owners. The scan therefore reads one order more than the page may have.
        let scan = Scan { limit: scan.limit + 1, ..scan };
        let mut rows = match scan.owner {
            OwnerFilter::Anonymous => self.scan_anonymous(scan).await?,
            OwnerFilter::User(_) | OwnerFilter::Everybody => self.scan(scan).await?,
        };
        let more = row_count(&rows) == scan.limit;
        if more {
            rows.pop();
        }
        Ok(PageRows { rows, more })
    }

    /// The newest anonymous orders in a range. The number of rows that are read is in proportion to `scan.limit`, even
    /// if many orders of users are between the anonymous orders.
    async fn scan_anonymous(&self, scan: Scan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        // Usually most orders are anonymous, and the newest orders of all owners contain enough anonymous orders.
        let mut rows = self.scan(Scan { owner: OwnerFilter::Everybody, ..scan }).await?;
        let oldest = rows.last().filter(|_| row_count(&rows) == scan.limit).map(|row| row.seq);
        rows.retain(|row| row.order.user_id.is_none());
        let still_needed = scan.limit - row_count(&rows);
        if let Some(oldest) = oldest.filter(|oldest| still_needed > 0 && *oldest > scan.above + 1) {
            rows.extend(self.walk_anonymous(Scan { up_to: oldest - 1, limit: still_needed, ..scan }).await?);
        }
        Ok(rows)
    }

    /// A page of a range in which the filter may exclude orders. Reads one window of rows after the other.
    async fn page_in_windows(&self, scan: Scan<'_>) -> Result<OrderPage, DatabaseError> {
        let (mut rows, mut up_to) = (Vec::new(), scan.up_to);
        for _ in 0..MAX_WINDOWS {
            if up_to <= scan.above {
                break;
            }
            let above = match scan.owner {
                OwnerFilter::User(user) => self.window_of_user(user, scan, up_to).await?,
                OwnerFilter::Everybody | OwnerFilter::Anonymous => (up_to - SCAN_WINDOW).max(scan.above),
            };
            rows.extend(self.scan(Scan { above, up_to, limit: scan.limit - row_count(&rows), ..scan }).await?);
            if row_count(&rows) == scan.limit {
                up_to = rows.last().map_or(above, |row: &StoredOrder| row.seq - 1);
                break;
            }
            up_to = above;
        }
        Ok(page_of(rows, (up_to > scan.above).then_some(up_to + 1)))
    }

    /// The exclusive lower bound of a window of the orders of one user.
    async fn window_of_user(&self, user: UserId, scan: Scan<'_>, up_to: i64) -> Result<i64, DatabaseError> {
        let below = self.seq_of_user(UserRange { user, above: scan.above, up_to }, SCAN_WINDOW).await?;
        Ok(below.unwrap_or(scan.above))
    }
}

/// The sequence number from which a page is read. It is at most `newest`, because a forged cursor may be higher.
fn first_seq(newest: i64, cursor: Option<Cursor>) -> i64 {
    cursor.map_or(newest, |Cursor(last_seen)| newest.min(last_seen - 1))
}

/// A page of these rows. The next page starts below the sequence number `next`, which is `None` if this is the last
/// page.
fn page_of(rows: Vec<StoredOrder>, next: Option<i64>) -> OrderPage {
    OrderPage { data: rows.into_iter().map(|row| row.order).collect(), next_cursor: next.map(Cursor) }
}

fn row_count(rows: &[StoredOrder]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}
