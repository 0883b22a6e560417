//! Exports: every order that passes the filters, newest first, as a stream that holds one page at a time.

use std::io;

use bytes::Bytes;
use common::{
    api::orders::{Cursor, MAX_PAGE, Order, OrderFilter},
    clients::{CallError, db_proxy::DbProxyClient},
};
use futures_util::{Stream, stream};
use poem_openapi::Enum;

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values, RFC 4180, with a line of names first.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

const CSV_NAMES: &str =
    "id,created_at,currency,amount,exchange_rate,bitcoin_amount,price_as_of,simulated,price_state\r\n";

/// Where an export is: before its first page, at the place where the next one starts, or at its end.
enum ExportPosition {
    Start,
    Next(Cursor),
    End,
}

/// The orders that pass `filter`, a page in each piece. A failure on the way breaks the stream off, so that a file which is
/// not whole is not taken for one.
pub fn export(
    db_proxy: DbProxyClient,
    filter: OrderFilter,
    format: Format,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::try_unfold(ExportPosition::Start, move |place| {
        let db_proxy = db_proxy.clone();
        async move {
            let (cursor, first) = match place {
                ExportPosition::Start => (None, true),
                ExportPosition::Next(cursor) => (Some(cursor), false),
                ExportPosition::End => return Ok(None),
            };
            let page = db_proxy.list_orders(&filter, cursor, MAX_PAGE).await.map_err(broken_off)?;
            let names = if first && format == Format::Csv { CSV_NAMES } else { "" };
            let piece = page.data.iter().try_fold(names.as_bytes().to_vec(), |mut piece, order| {
                write(order, format, &mut piece).map(|()| piece)
            })?;
            let next = page.next_cursor.map_or(ExportPosition::End, ExportPosition::Next);
            Ok(Some((Bytes::from(piece), next)))
        }
    })
}

fn broken_off(error: CallError) -> io::Error {
    tracing::warn!(error = %error.chain(), "an export broke off");
    io::Error::other(error)
}

/// No value of an order can hold a comma, a quote or a line break, so none is quoted.
fn write(order: &Order, format: Format, piece: &mut Vec<u8>) -> io::Result<()> {
    use io::Write;
    match format {
        Format::Csv => {
            let Order { id, created_at, currency, amount, exchange_rate, .. } = order;
            let Order { bitcoin_amount, price_as_of, simulated, price_state, .. } = order;
            write!(piece, "{id},{created_at},{currency},{amount},{exchange_rate},{bitcoin_amount},{price_as_of},")?;
            write!(piece, "{simulated},{}\r\n", price_state.as_str())
        }
        Format::Jsonl => {
            serde_json::to_writer(&mut *piece, order)?;
            piece.write_all(b"\n")
        }
    }
}

#[cfg(test)]
mod tests;
