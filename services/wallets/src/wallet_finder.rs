//! Finds single wallets. Look-ups that arrive while other requests are in flight are sent to db-proxy in batches.
//! Balances are not cached; see [ADR 18](../../../docs/adr/0018-journal-of-wallets.md).
//!
//! Only the ids and the users of the wallets are parsed. The JSON of db-proxy is returned unchanged.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use common::{
    api::{orders::OwnerFilter, wallets::WalletLookup},
    clients::{
        CallError, SharedReadError,
        db_proxy::{DbProxyClient, LOOKUP_LIMITS},
    },
    concurrency::batching::Batcher,
    ids::{UserId, WalletId},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::wallet_backend::WalletBackend;

/// A wallet of any owner.
#[derive(Debug, Clone)]
struct FoundWallet {
    user: Option<UserId>,
    json: Bytes,
}

type LookupResult = Result<Option<FoundWallet>, SharedReadError>;

/// Looks up single wallets. Look-ups of several clients share a request, so the owner of each wallet is checked after the request.
#[derive(Clone)]
pub struct WalletFinder(Batcher<WalletId, LookupResult>);

impl WalletFinder {
    /// Returns the handle and the task that sends the requests. The task completes when every clone of the handle is
    /// dropped and all waiting look-ups are answered.
    pub fn new(backend: Arc<dyn WalletBackend>) -> (Self, impl Future<Output = ()> + Send) {
        let (batcher, task) = Batcher::new(LOOKUP_LIMITS, move |ids| look_up_batch(backend.clone(), ids));
        (Self(batcher), task)
    }

    /// Returns the JSON of a wallet, or `None` if `owner` selects no wallet with this id. The result for a wallet of another owner
    /// is therefore the same as for a wallet that does not exist.
    pub async fn find_wallet(&self, id: WalletId, owner: OwnerFilter) -> Result<Option<Bytes>, SharedReadError> {
        let found = self.0.submit(id).await??;
        Ok(found.filter(|wallet| owner.selects(wallet.user)).map(|wallet| wallet.json))
    }
}

/// Sends one request with all ids. Returns one result for each id, in the same sequence as `ids`.
async fn look_up_batch(backend: Arc<dyn WalletBackend>, ids: Vec<WalletId>) -> Vec<LookupResult> {
    match fetch_wallets(&*backend, &ids).await {
        Ok(found) => ids.iter().map(|id| Ok(found.get(id).cloned())).collect(),
        Err(error) => vec![Err(error.into()); ids.len()],
    }
}

/// The [`FoundWallets`](common::api::wallets::FoundWallets) of db-proxy, each wallet as JSON text.
#[derive(Deserialize)]
struct RawFoundWallets<'a> {
    #[serde(borrow)]
    wallets: Vec<&'a RawValue>,
}

/// The id and the user of a wallet, without its other fields.
#[derive(Deserialize)]
struct IdAndUser {
    id: WalletId,
    #[serde(default)]
    user_id: Option<UserId>,
}

async fn fetch_wallets(
    backend: &dyn WalletBackend,
    ids: &[WalletId],
) -> Result<HashMap<WalletId, FoundWallet>, CallError> {
    // `ids` contains an id more than once if several clients read the wallet at the same time.
    let distinct = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let json = backend.find_wallets_json(&WalletLookup { ids: distinct }).await?;
    let RawFoundWallets { wallets } = DbProxyClient::parse_response(&json)?;
    let with_id = |wallet: &RawValue| {
        let text = wallet.get().as_bytes();
        let IdAndUser { id, user_id: user } = DbProxyClient::parse_response(text)?;
        Ok((id, FoundWallet { user, json: json.slice_ref(text) }))
    };
    wallets.into_iter().map(with_id).collect()
}
