//! Limits how many exports run at the same time. An export lasts until its client has read the file. Without this
//! limit, a few clients could occupy db-proxy with exports.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    api::{Code, Problem},
    ids::UserId,
};

/// Maximum number of exports that one client can run at the same time.
const MAX_PER_CLIENT: usize = 2;
/// `Retry-After` of a refused export.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why an export is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExportRefusal {
    /// 503: the service runs the maximum number of exports.
    #[error("{max} exports are running")]
    TooMany { max: usize },
    /// 429: the client runs the maximum number of exports for one client.
    #[error("the client runs {max} exports")]
    TooManyOfClient { max: usize },
}

impl From<ExportRefusal> for Problem {
    fn from(refusal: ExportRefusal) -> Self {
        match refusal {
            ExportRefusal::TooMany { max } => {
                let detail = format!("{max} exports are running, which is the maximum. Try again in some seconds.");
                Self::new(Code::Overloaded, detail).retry_after(RETRY_AFTER)
            }
            ExportRefusal::TooManyOfClient { max } => {
                let detail = format!(
                    "At most {max} exports may run at once from one address or of one user. Wait until one of them has ended."
                );
                Self::new(Code::TooManyRequests, detail).retry_after(RETRY_AFTER)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportClient {
    User(UserId),
    /// A client without the API key of a user, identified by its IP address.
    Address(IpAddr),
}

/// Counts the running exports.
#[derive(Debug, Clone)]
pub struct ExportSlots {
    max: usize,
    running: Arc<Mutex<HashMap<ExportClient, usize>>>,
}

/// A running export. The export is no longer counted after this value is dropped.
#[derive(Debug)]
pub struct ExportSlot {
    slots: ExportSlots,
    client: ExportClient,
}

impl ExportSlots {
    /// At most `max` exports can run at the same time.
    pub fn new(max: usize) -> Self {
        Self { max, running: Arc::default() }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<ExportClient, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an export of a client. Fails if too many exports are running, in total or of this client.
    pub fn acquire(&self, client: ExportClient) -> Result<ExportSlot, ExportRefusal> {
        let mut running = self.running();
        if running.values().sum::<usize>() >= self.max {
            return Err(ExportRefusal::TooMany { max: self.max });
        }
        let of_client = running.entry(client).or_default();
        if *of_client >= MAX_PER_CLIENT {
            return Err(ExportRefusal::TooManyOfClient { max: MAX_PER_CLIENT });
        }
        *of_client += 1;
        Ok(ExportSlot { slots: self.clone(), client })
    }
}

impl Drop for ExportSlot {
    fn drop(&mut self) {
        let mut running = self.slots.running();
        if let Some(of_client) = running.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                running.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests;
