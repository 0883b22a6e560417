//! Exports orders as a stream. One page is in memory at a time, so an export of any size takes the same memory.

use std::io::{self, Write};

use bytes::Bytes;
use common::{
    api::orders::{Cursor, MAX_PAGE, Order, OrderFilter},
    clients::{CallError, db_proxy::DbProxyClient},
};
use futures_util::{Stream, stream};
use poem_openapi::Enum;

/// The file format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "lowercase", rename = "Format")]
pub enum ExportFormat {
    /// Comma-separated values (RFC 4180). The first line contains the column names.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

const CSV_HEADER: &str =
    "id,created_at,currency,amount,exchange_rate,bitcoin_amount,price_as_of,simulated,price_state\r\n";

/// The progress of an export.
enum ExportPosition {
    FirstPage,
    NextPage(Cursor),
    End,
}

/// Streams the orders that pass `filter`, newest first, one page in each chunk. If a page cannot be read, the stream fails
/// and the connection closes early. A client can therefore detect an incomplete file.
pub fn export_orders(
    db_proxy: DbProxyClient,
    filter: OrderFilter,
    format: ExportFormat,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::try_unfold(ExportPosition::FirstPage, move |position| {
        let db_proxy = db_proxy.clone();
        async move {
            let (cursor, header) = match (position, format) {
                (ExportPosition::FirstPage, ExportFormat::Csv) => (None, CSV_HEADER),
                (ExportPosition::FirstPage, ExportFormat::Jsonl) => (None, ""),
                (ExportPosition::NextPage(cursor), _) => (Some(cursor), ""),
                (ExportPosition::End, _) => return Ok(None),
            };
            let page = db_proxy.list_orders(&filter, cursor, MAX_PAGE).await.map_err(page_error)?;
            let mut chunk = header.as_bytes().to_vec();
            for order in &page.data {
                write_order(order, format, &mut chunk)?;
            }
            let next = page.next_cursor.map_or(ExportPosition::End, ExportPosition::NextPage);
            Ok(Some((Bytes::from(chunk), next)))
        }
    })
}

fn page_error(error: CallError) -> io::Error {
    tracing::warn!(error = %error.chain(), "an export ended early because a page could not be read");
    io::Error::other(error)
}

/// Appends one line. No value of an order can contain a comma, a quote or a line break, so CSV values are not quoted.
fn write_order(order: &Order, format: ExportFormat, chunk: &mut Vec<u8>) -> io::Result<()> {
    match format {
        ExportFormat::Csv => {
            let Order { id, created_at, currency, amount, exchange_rate, .. } = order;
            let Order { bitcoin_amount, price_as_of, simulated, price_state, .. } = order;
            write!(chunk, "{id},{created_at},{currency},{amount},{exchange_rate},{bitcoin_amount},{price_as_of},")?;
            write!(chunk, "{simulated},{}\r\n", price_state.as_str())
        }
        ExportFormat::Jsonl => {
            serde_json::to_writer(&mut *chunk, order)?;
            chunk.write_all(b"\n")
        }
    }
}

#[cfg(test)]
mod tests;
