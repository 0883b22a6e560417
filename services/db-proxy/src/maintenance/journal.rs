//! Checks the whole journal of wallets like `buydesk wallet verify`, but directly in the database.

use common::api::wallets::{CheckedRows, MAX_VERIFIED_ROWS, Violation};

use crate::{
    database::{Database, DatabaseError},
    wallets::WalletStore,
};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalCheck {
    pub checked: CheckedRows,
    pub violations: Vec<Violation>,
}

/// Checks every wallet, entry, movement and paid order.
pub async fn check_journal(database: &Database) -> Result<JournalCheck, DatabaseError> {
    let wallets = WalletStore::new(database);
    let mut check = JournalCheck::default();
    let mut cursor = None;
    loop {
        let page = wallets.verify_journal(cursor, MAX_VERIFIED_ROWS).await?;
        check.checked += page.checked;
        check.violations.extend(page.violations);
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(check),
        }
    }
}
