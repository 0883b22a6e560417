//! The metrics of the prices that new orders use.

use std::{fmt, sync::Arc};

use common::{
    config::Live,
    metrics::{Metrics, Units},
    money::Currency,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::price_reader::PriceReader;

/// Reads the prices when the metrics are read. Currencies without a price for new orders are absent.
struct PriceCollector {
    currencies: Live<Arc<[Currency]>>,
    prices: PriceReader,
}

/// Registers `buydesk_order_price` and `buydesk_order_price_as_of_seconds`.
pub fn register(metrics: &Metrics, currencies: Live<Arc<[Currency]>>, prices: PriceReader) {
    metrics.register_collector(PriceCollector { currencies, prices });
}

impl Collector for PriceCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "The price of one bitcoin for a new order, in the currency of the label";
        let mut gauge = encoder.encode_descriptor("order_price", help, None, MetricType::Gauge)?;
        let prices = self.prices.orderable_prices(&self.currencies.get());
        for (currency, price) in &prices {
            let units = Units::<8>(price.price.price.hundred_millionths());
            let labels = [("currency", currency.as_str())];
            ConstGauge::new(units).encode(gauge.encode_family(&labels)?)?;
        }
        let help = "Time when the price for a new order was observed, in seconds since 1970";
        let mut gauge = encoder.encode_descriptor("order_price_as_of_seconds", help, None, MetricType::Gauge)?;
        for (currency, price) in &prices {
            let seconds = price.price.as_of.micros().div_euclid(1_000_000);
            let labels = [("currency", currency.as_str())];
            ConstGauge::new(seconds).encode(gauge.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for PriceCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PriceCollector").field("currencies", &self.currencies).finish_non_exhaustive()
    }
}
