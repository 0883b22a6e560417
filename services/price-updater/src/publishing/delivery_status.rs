//! The result of the last write of one kind of data. [`OutageLog`] selects the failures that are logged. The end of an
//! outage is logged too.

use std::sync::{Mutex, PoisonError};

use common::{
    clients::CallError,
    startup::{OutageLine, OutageLog},
};

use crate::metrics::{Delivery, UpdaterMetrics};

#[derive(Debug)]
pub(super) struct DeliveryStatus {
    delivery: Delivery,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` before the first write.
    last: Option<Result<(), String>>,
    outage: OutageLog,
}

impl DeliveryStatus {
    pub(super) fn new(delivery: Delivery) -> Self {
        Self { delivery, state: Mutex::default() }
    }

    pub(super) fn record(&self, result: Result<(), &CallError>, metrics: &UpdaterMetrics) {
        let what = self.delivery.as_str();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Some(result.map_err(ToString::to_string));
        let Err(error) = result else {
            if state.outage.record_success() {
                tracing::info!(what, "write succeeded again");
            }
            return;
        };
        metrics.record_write_failure(self.delivery);
        match (state.outage.record_failure(), self.delivery) {
            (None, _) => {}
            (Some(OutageLine::NotYet), _) => {
                tracing::info!(what, error = error.chain(), "write failed; the next one follows automatically");
            }
            // Orders depend on the record. The other writes affect only displayed data.
            (Some(OutageLine::Outage), Delivery::Record) => {
                tracing::error!(what, error = error.chain(), "write failed");
            }
            (Some(OutageLine::Outage), Delivery::Snapshot | Delivery::Courses) => {
                tracing::warn!(what, error = error.chain(), "write failed");
            }
        }
    }

    /// The result of the last write, with the text of its error. `None` before the first write.
    pub(super) fn last(&self) -> Option<Result<(), String>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last.clone()
    }
}
