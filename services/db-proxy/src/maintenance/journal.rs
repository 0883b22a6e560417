//! The check of the whole journal of wallets, as `buydesk wallet verify` does it, without the service.

use common::{
    api::wallets::{CheckedRows, MAX_VERIFIED_ROWS, Violation},
    time::{Clock, MAX_CLOCK_SKEW},
};

use crate::{
    clock_check::{ClockCheck, ClockRules},
    database::{Database, DatabaseError},
    wallets::{WalletService, WalletStore},
};

/// The result of the check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalCheck {
    pub checked: CheckedRows,
    pub violations: Vec<Violation>,
}

/// Checks every wallet, entry, movement and paid order.
pub async fn check_journal(database: &Database) -> Result<JournalCheck, DatabaseError> {
    // The check reads only, so no clock is used.
    let rules = ClockRules { database_has_clock: database.has_clock(), max_order_ahead: MAX_CLOCK_SKEW };
    let clock_check = ClockCheck::new(Clock::System, rules);
    let service = WalletService { store: WalletStore::new(database), clock_check };
    let mut check = JournalCheck::default();
    let mut cursor = None;
    loop {
        let page = service.verify_journal(cursor, MAX_VERIFIED_ROWS).await?;
        check.checked += page.checked;
        check.violations.extend(page.violations);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(check),
        }
    }
}
