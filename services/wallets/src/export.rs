//! Exports the operations of a wallet as a stream. One page is in memory at a time, so an export of any size takes the same memory.

use std::{
    io::{self, Write},
    sync::Arc,
};

use bytes::Bytes;
use common::{
    api::{
        orders::OwnerFilter,
        wallets::{MAX_WALLET_PAGE, Operation, OperationCursor, OperationPage},
    },
    clients::{CallError, db_proxy::DbProxyClient},
    ids::WalletId,
    request_context::RequestContext,
    server::ExportFormat,
};
use futures_util::{Stream, stream};

use crate::{error::Error, wallet_backend::WalletBackend};

const CSV_HEADER: &str = "id,wallet_id,operation_type,amount,balance,created_at\r\n";

/// An export of the operations of one wallet, newest first.
pub struct OperationExport {
    pub backend: Arc<dyn WalletBackend>,
    pub wallet: WalletId,
    pub owner: OwnerFilter,
    pub format: ExportFormat,
}

/// The progress of an export.
enum ExportPosition {
    /// The first page, which is read but not sent.
    FirstPage(OperationPage),
    NextPage(OperationCursor),
    End,
}

impl OperationExport {
    /// Reads the first page before the stream begins, so that an error can be sent as a problem. Fails if `owner` does not select the
    /// wallet, or if db-proxy is unavailable. The stream sends one page in each chunk. If a further page cannot be read, the stream
    /// fails and the connection closes early. A client can therefore detect an incomplete file.
    ///
    /// The stream is read after the handler has returned. The calls and log events of the stream still belong to the request.
    pub async fn start(self) -> Result<impl Stream<Item = Result<Bytes, io::Error>> + Send, Error> {
        let first = self.read_page(None).await?.ok_or(Error::WalletNotFound(self.wallet))?;
        let request = RequestContext::current();
        let start = (self, ExportPosition::FirstPage(first));
        Ok(stream::try_unfold(start, move |(export, position)| {
            RequestContext::scope(request.clone(), async move {
                let (page, header) = match position {
                    ExportPosition::FirstPage(page) => (page, export.header()),
                    ExportPosition::NextPage(cursor) => (export.read_next_page(cursor).await?, ""),
                    ExportPosition::End => return Ok(None),
                };
                let mut chunk = header.as_bytes().to_vec();
                for operation in &page.data {
                    write_operation(operation, export.format, &mut chunk)?;
                }
                let next = page.next_cursor.map_or(ExportPosition::End, ExportPosition::NextPage);
                Ok(Some((Bytes::from(chunk), (export, next))))
            })
        }))
    }

    fn header(&self) -> &'static str {
        match self.format {
            ExportFormat::Csv => CSV_HEADER,
            ExportFormat::Jsonl => "",
        }
    }

    async fn read_page(&self, cursor: Option<OperationCursor>) -> Result<Option<OperationPage>, CallError> {
        let Self { wallet, owner, .. } = *self;
        let json = self.backend.list_operations_json(wallet, owner, cursor, MAX_WALLET_PAGE).await?;
        json.map(|json| DbProxyClient::parse_response(&json)).transpose()
    }

    async fn read_next_page(&self, cursor: OperationCursor) -> io::Result<OperationPage> {
        let page = self.read_page(Some(cursor)).await.map_err(|error| {
            tracing::warn!(error = %error.chain(), "an export ended early because a page could not be read");
            io::Error::other(error)
        })?;
        // This is unexpected, because the owner of a wallet does not change and no wallet is deleted.
        page.ok_or_else(|| io::Error::other("the wallet does not exist any more"))
    }
}

/// Appends one line. CSV needs no quotation marks, because no value contains a comma, a quotation mark or a line break.
fn write_operation(operation: &Operation, format: ExportFormat, chunk: &mut Vec<u8>) -> io::Result<()> {
    match format {
        ExportFormat::Csv => {
            let Operation { id, wallet_id, operation_type, amount, balance, created_at } = operation;
            let kind = operation_type.as_str();
            write!(chunk, "{id},{wallet_id},{kind},{amount},{balance},{created_at}\r\n")
        }
        ExportFormat::Jsonl => {
            serde_json::to_writer(&mut *chunk, operation)?;
            chunk.write_all(b"\n")
        }
    }
}
