//! Exports orders as a stream. One page is in memory at a time, so an export of any size needs the same memory.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use bytes::Bytes;
use common::{
    api::orders::{ClientReference, Cursor, MAX_PAGE, Metadata, Order, OrderQuery, OwnerFilter},
    clients::{CallError, db_proxy::OrderReader},
    request_context::RequestContext,
    server::ExportFormat,
};
use futures_util::{Stream, stream};

const CSV_HEADER: &str = "id,created_at,currency,amount,exchange_rate,bitcoin_amount,price_as_of,simulated,price_state,ordered_by,quote,\
     client_reference,metadata,user_id,wallet_id,credit_wallet_id\r\n";

/// The progress of an export.
enum ExportPosition {
    FirstPage,
    NextPage(Cursor),
    End,
}

/// Streams the orders of `owner` that `query` selects, newest first, one page in each chunk. If a page cannot be read,
/// the stream fails and the connection closes early. A client can therefore detect an incomplete file.
///
/// The stream is read after the handler has returned. Its calls and log events keep the context of the request.
pub fn export_orders(
    reader: OrderReader,
    query: OrderQuery,
    owner: OwnerFilter,
    format: ExportFormat,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    let request = RequestContext::current();
    stream::try_unfold(ExportPosition::FirstPage, move |position| {
        let (reader, query) = (reader.clone(), query.clone());
        RequestContext::scope(request.clone(), async move {
            let (cursor, header) = match (position, format) {
                (ExportPosition::FirstPage, ExportFormat::Csv) => (None, CSV_HEADER),
                (ExportPosition::FirstPage, ExportFormat::Jsonl) => (None, ""),
                (ExportPosition::NextPage(cursor), _) => (Some(cursor), ""),
                (ExportPosition::End, _) => return Ok(None),
            };
            let page = reader.page(&query, owner, cursor, MAX_PAGE).await.map_err(page_error)?;
            let mut chunk = header.as_bytes().to_vec();
            for order in &page.data {
                write_order(order, format, &mut chunk)?;
            }
            let next = page.next_cursor.map_or(ExportPosition::End, ExportPosition::NextPage);
            Ok(Some((Bytes::from(chunk), next)))
        })
    })
}

fn page_error(error: CallError) -> io::Error {
    tracing::warn!(error = %error.chain(), "an export ended early because a page could not be read");
    io::Error::other(error)
}

/// Appends one line. Of the values of an order, only its reference and its metadata can contain a comma or a quotation
/// mark.
fn write_order(order: &Order, format: ExportFormat, chunk: &mut Vec<u8>) -> io::Result<()> {
    match format {
        ExportFormat::Csv => {
            let Order { id, created_at, currency, amount, exchange_rate, .. } = order;
            let Order { bitcoin_amount, price_as_of, simulated, price_state, ordered_by, quote, .. } = order;
            let Order { client_reference, metadata, user_id, wallet_id, credit_wallet_id, .. } = order;
            write!(chunk, "{id},{created_at},{currency},{amount},{exchange_rate},{bitcoin_amount},{price_as_of},")?;
            write!(chunk, "{simulated},{},{},", price_state.as_str(), ordered_by.as_str())?;
            if let Some(quote) = quote {
                write!(chunk, "{quote}")?;
            }
            let reference = client_reference.as_ref().map(ClientReference::as_str).unwrap_or_default();
            let metadata = metadata.as_ref().map(Metadata::to_text).unwrap_or_default();
            write!(chunk, ",{},{},", csv_text(reference), csv_text(&metadata))?;
            if let Some(user) = user_id {
                write!(chunk, "{user}")?;
            }
            for wallet in [wallet_id, credit_wallet_id] {
                chunk.push(b',');
                if let Some(wallet) = wallet {
                    write!(chunk, "{wallet}")?;
                }
            }
            chunk.write_all(b"\r\n")
        }
        ExportFormat::Jsonl => {
            serde_json::to_writer(&mut *chunk, order)?;
            chunk.write_all(b"\n")
        }
    }
}

/// Formats a text of a client as a CSV value.
///
/// Spreadsheets execute a value that begins like a formula. An apostrophe before such a value marks it as text.
fn csv_text(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    if !is_formula && !text.contains(['"', ',']) {
        return Cow::Borrowed(text);
    }
    let mark = if is_formula { "'" } else { "" };
    Cow::Owned(format!("\"{mark}{}\"", text.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests;
