//! The log lines of placed orders.

use std::time::Instant;

use common::{
    api::orders::Placed,
    telemetry::{self, LineLimit},
};

/// Logs placed orders. The number of lines per second has the same limit as in the request log. The field `left_out` of a line
/// is the number of orders that were not logged since the previous line.
pub struct OrderLog(LineLimit);

impl Default for OrderLog {
    fn default() -> Self {
        Self(LineLimit::new(telemetry::request_lines_per_second()))
    }
}

impl OrderLog {
    pub fn record(&self, Placed { order, replayed }: &Placed) {
        let Some(left_out) = self.0.admit(Instant::now()) else { return };
        tracing::info!(
            order = %order.id,
            user = order.user_id.map(tracing::field::display),
            currency = %order.currency,
            amount = %order.amount,
            bitcoin_amount = %order.bitcoin_amount,
            exchange_rate = %order.exchange_rate,
            price_state = order.price_state.as_str(),
            simulated = order.simulated,
            replayed,
            left_out = (left_out > 0).then_some(left_out),
            "an order was placed"
        );
    }
}
