//! The result of the last write of one kind. A change is logged once.

use std::sync::{Mutex, PoisonError};

use common::clients::CallError;

use crate::metrics::{Delivery, UpdaterMetrics};

#[derive(Debug)]
pub(super) struct DeliveryStatus {
    delivery: Delivery,
    /// `None` before the first write.
    last: Mutex<Option<Result<(), String>>>,
}

impl DeliveryStatus {
    pub(super) fn new(delivery: Delivery) -> Self {
        Self { delivery, last: Mutex::default() }
    }

    pub(super) fn record(&self, result: Result<(), &CallError>, metrics: &UpdaterMetrics) {
        let what = self.delivery.as_str();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let failed_before = matches!(*last, Some(Err(_)));
        *last = Some(result.map_err(|error| {
            metrics.record_write_failure(self.delivery);
            match self.delivery {
                _ if failed_before => {}
                // Orders depend on the record. The other writes affect only displayed data.
                Delivery::Record => tracing::error!(what, error = error.chain(), "write failed"),
                Delivery::Snapshot | Delivery::Courses => {
                    tracing::warn!(what, error = error.chain(), "write failed");
                }
            }
            error.to_string()
        }));
        if failed_before && result.is_ok() {
            tracing::info!(what, "write succeeded again");
        }
    }

    /// The result of the last write, with the text of its error. `None` before the first write.
    pub(super) fn last(&self) -> Option<Result<(), String>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
