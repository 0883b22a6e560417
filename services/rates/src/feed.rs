//! Where boards come from.

use std::{sync::Arc, time::Duration};

use common::clients::{db_proxy::DbProxy, price_cache::PriceCache};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{book::Book, held::Origin, history};

/// How often the board is asked for.
const REFRESH: Duration = Duration::from_secs(1);

/// Asks for the newest board again and again until `stop`. What is held stays while price-cache-proxy is away.
pub(crate) async fn follow(cache: PriceCache, db_proxy: DbProxy, book: Arc<Book>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reachable = true;
    loop {
        tokio::select! { () = stop.cancelled() => return, _ = ticks.tick() => {} }
        let result = cache.board().await;
        match &result {
            Err(error) if reachable => tracing::warn!(error = %error.chain(), "the board cannot be read"),
            Ok(_) if !reachable => tracing::info!("the board can be read again"),
            _ => {}
        }
        reachable = result.is_ok();
        if let Ok(Some(board)) = result {
            book.take(board, Origin::Board);
        } else if book.newest().is_err() && !book.has_board() {
            start(&db_proxy, &book).await;
        }
    }
}

/// Begins with what was written down last, where nobody has a board yet.
async fn start(db_proxy: &DbProxy, book: &Book) {
    match history::stored(db_proxy).await {
        Ok(Some(board)) => _ = book.take(board, Origin::Stored),
        Ok(None) => {}
        // Told by /readyz and the alive calls as it is; asked again in a moment.
        Err(error) => tracing::debug!(error = %error.chain(), "the last courses cannot be read"),
    }
}
