//! Readers that check that no order vanishes.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use common::api::orders::{Order, OrderSummary};
use fastrand::Rng;

use crate::{client::try_send, platform::ORDERS_PATH, process_kills::Progress};

/// Pause between two reads of a reader.
const PAUSE: Duration = Duration::from_millis(20);
/// A reader chooses from this many of the newest acknowledged orders, because a failover could lose only new orders.
const NEWEST: usize = 200;

/// The observations of all readers.
#[derive(Default)]
pub struct Observations {
    /// The largest number of orders that a summary has stated.
    count: AtomicI64,
    pub reads: AtomicUsize,
    pub violations: Mutex<Vec<String>>,
}

/// Reads from one fetch-orders.
pub struct Reader {
    pub http: crate::Client,
    pub base_url: String,
    pub progress: Arc<Progress>,
    pub observations: Arc<Observations>,
    pub rng: Rng,
}

impl Reader {
    /// Reads until all failovers are done.
    pub async fn read(mut self) {
        while !self.progress.is_finished() {
            self.check_count().await;
            self.check_acknowledged_order().await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Checks that the number of orders is at least the largest number that any reader received before this request.
    async fn check_count(&self) {
        let seen = self.observations.count.load(SeqCst);
        let url = format!("{}{ORDERS_PATH}/summary", self.base_url);
        let Ok(response) = try_send(self.http.request("GET", url)).await else { return };
        if response.status == 200 {
            let count = serde_json::from_slice::<OrderSummary>(&response.body).unwrap().count;
            self.observations.reads.fetch_add(1, SeqCst);
            self.observations.count.fetch_max(count, SeqCst);
            if count < seen {
                self.report(format!("{} shows {count} orders after {seen} were seen", self.base_url));
            }
        } else if response.status != 503 {
            self.report(format!("a read of the summary is answered with {}: {}", response.status, response.text()));
        }
    }

    /// Checks that an order that was acknowledged before the request was sent is found unchanged.
    async fn check_acknowledged_order(&mut self) {
        let Some(order) = self.progress.choose_acknowledged(NEWEST, &mut self.rng) else { return };
        let url = format!("{}{ORDERS_PATH}/{}", self.base_url, order.id);
        let Ok(response) = try_send(self.http.request("GET", url)).await else { return };
        match response.status {
            200 => {
                self.observations.reads.fetch_add(1, SeqCst);
                let read = serde_json::from_slice::<Order>(&response.body).unwrap();
                if read != order {
                    self.report(format!("order {} was acknowledged as {order:?} and is read as {read:?}", order.id));
                }
            }
            503 => {}
            status => self.report(format!("a read of the acknowledged order {} is answered with {status}", order.id)),
        }
    }

    fn report(&self, violation: String) {
        self.observations.violations.lock().unwrap_or_else(PoisonError::into_inner).push(violation);
    }
}
