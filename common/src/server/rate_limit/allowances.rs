//! Rate limits that apply to all instances of a service together.
//!
//! The requests of each client are counted in a store that the instances share. An instance draws an *allowance* of one
//! or more requests from the store, and accepts this many requests without another draw. While the store is
//! unavailable, each instance accepts its share of the limit.

mod client;
mod redis_store;
mod sharing;
mod store;

use std::{num::NonZeroU32, sync::Arc};

use tokio::time::Instant;
use tracing::Instrument;

use self::{
    client::{ClientAllowance, Counted, Counting},
    store::{DrawRequest, StoreKey},
};
pub(super) use self::{redis_store::RedisStore, sharing::Sharing};
use super::{
    bucket::Decision,
    client_states::{ClientId, ClientStates},
};

/// Counts the requests of clients against one limit, at all instances. Clones share the states.
#[derive(Clone)]
pub(super) struct Allowances {
    sharing: Arc<Sharing>,
    /// The name of the limit in the store.
    limit_name: &'static str,
    clients: Arc<ClientStates<ClientAllowance>>,
}

impl Allowances {
    pub fn new(sharing: Arc<Sharing>, limit_name: &'static str, max_clients: usize) -> Self {
        Self { sharing, limit_name, clients: Arc::new(ClientStates::new(max_clients)) }
    }

    /// Counts a request. Waits for the store only if the client has no allowance left.
    pub async fn count(&self, client: ClientId, limit: NonZeroU32) -> Decision {
        if !self.sharing.is_available() {
            return self.count_locally(client, limit);
        }
        let (share, now) = (self.sharing.share(limit), Instant::now());
        let Counting { counted, draw } = self.clients.update(client, |state| state.count(share, now));
        if let Some(request) = draw {
            // In a task, so that the draw continues if the client of this request disconnects.
            tokio::spawn(self.clone().draw(client, limit, request).in_current_span());
        }
        match counted {
            Counted::Decided(decision) => decision,
            Counted::Waiting(decision) => match decision.await {
                Ok(decision) => decision,
                // The state of the client was dropped, because too many other clients sent requests.
                Err(_) => self.count_locally(client, limit),
            },
        }
    }

    /// Counts a request against the share of this instance.
    fn count_locally(&self, client: ClientId, limit: NonZeroU32) -> Decision {
        let (share, now) = (self.sharing.share(limit), Instant::now());
        self.sharing.record_local_decisions(1);
        self.clients.update(client, |state| state.count_locally(share, now))
    }

    /// Draws until no request waits for an allowance.
    async fn draw(self, client: ClientId, limit: NonZeroU32, first: DrawRequest) {
        let key = StoreKey { limit_name: self.limit_name, client };
        let mut next = Some(first);
        while let Some(request) = next {
            let drawn = self.sharing.draw(key, &request).await;
            let (share, now) = (self.sharing.share(limit), Instant::now());
            next = self.clients.update(client, |state| {
                if let Some(drawn) = drawn {
                    state.finish_draw(&request, &drawn, share.instances, now)
                } else {
                    self.sharing.record_local_decisions(state.fail_draw(now));
                    None
                }
            });
        }
    }
}

#[cfg(test)]
mod tests;
