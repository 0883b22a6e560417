//! Exports how many connections to the database are open and in use.

use std::fmt;

use common::metrics::Metrics;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use sqlx::Pool;

use super::Database;

/// The connections of one pool.
pub(super) struct PoolUse {
    name: &'static str,
    in_use: u64,
    idle: u64,
    max: u32,
}

impl PoolUse {
    pub(super) fn of<D: sqlx::Database>(name: &'static str, pool: &Pool<D>) -> Self {
        let (open, idle) = (u64::from(pool.size()), pool.num_idle() as u64);
        // The two numbers are read at different moments, so `idle` is possibly larger than `open`.
        Self { name, in_use: open.saturating_sub(idle), idle, max: pool.options().get_max_connections() }
    }
}

struct PoolCollector(Database);

/// Registers `database_connections` and `database_connections_max`.
pub fn register(metrics: &Metrics, database: &Database) {
    metrics.register_collector(PoolCollector(database.clone()));
}

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let pools = self.0.pools();
        let help = "Open connections to the database, by pool and state";
        let mut gauge = encoder.encode_descriptor("database_connections", help, None, MetricType::Gauge)?;
        for pool in &pools {
            for (state, number) in [("in_use", pool.in_use), ("idle", pool.idle)] {
                let labels = [("pool", pool.name), ("state", state)];
                ConstGauge::new(number).encode(gauge.encode_family(&labels)?)?;
            }
        }
        let help = "Maximum number of connections to the database, by pool";
        let mut gauge = encoder.encode_descriptor("database_connections_max", help, None, MetricType::Gauge)?;
        for pool in &pools {
            ConstGauge::new(pool.max).encode(gauge.encode_family(&[("pool", pool.name)])?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for PoolCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolCollector").field(&self.0.engine()).finish()
    }
}

#[cfg(test)]
mod tests;
