//! Amounts of money as metrics. The value is a whole number of the smallest unit, so a sum of any number of amounts is exact.

use std::{
    fmt,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use prometheus_client::{
    encoding::{CounterValueEncoder, EncodeCounterValue, EncodeGaugeValue, GaugeValueEncoder},
    metrics::{counter, gauge},
};

/// A sum of amounts with `DECIMALS` decimals.
pub type ExactCounter<const DECIMALS: u32> = counter::Counter<Units<DECIMALS>, AtomicU64>;
/// An amount with `DECIMALS` decimals.
pub type ExactGauge<const DECIMALS: u32> = gauge::Gauge<Units<DECIMALS>, AtomicI64>;

/// An amount as a number of units. One unit is ten to the power of `-DECIMALS`: `Units::<8>(1)` is 0.00000001. Amounts are not
/// negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units<const DECIMALS: u32>(pub i64);

impl<const DECIMALS: u32> Units<DECIMALS> {
    /// The nearest floating-point number, for Prometheus. No amount is computed from this number.
    fn nearest_float(self) -> f64 {
        let unit = 10_i64.pow(DECIMALS);
        let text = format!("{}.{:0width$}", self.0 / unit, self.0 % unit, width = DECIMALS as usize);
        text.parse().unwrap_or(f64::NAN)
    }

    fn of_counter(units: u64) -> Self {
        Self(i64::try_from(units).unwrap_or(i64::MAX))
    }
}

impl<const DECIMALS: u32> EncodeCounterValue for Units<DECIMALS> {
    fn encode(&self, encoder: &mut CounterValueEncoder) -> Result<(), fmt::Error> {
        EncodeCounterValue::encode(&self.nearest_float(), encoder)
    }
}

impl<const DECIMALS: u32> EncodeGaugeValue for Units<DECIMALS> {
    fn encode(&self, encoder: &mut GaugeValueEncoder) -> Result<(), fmt::Error> {
        EncodeGaugeValue::encode(&self.nearest_float(), encoder)
    }
}

impl<const DECIMALS: u32> counter::Atomic<Units<DECIMALS>> for AtomicU64 {
    fn inc(&self) -> Units<DECIMALS> {
        counter::Atomic::inc_by(self, Units(1))
    }

    fn inc_by(&self, amount: Units<DECIMALS>) -> Units<DECIMALS> {
        Units::of_counter(self.fetch_add(amount.0.unsigned_abs(), Ordering::Relaxed))
    }

    fn get(&self) -> Units<DECIMALS> {
        Units::of_counter(self.load(Ordering::Relaxed))
    }
}

impl<const DECIMALS: u32> gauge::Atomic<Units<DECIMALS>> for AtomicI64 {
    fn inc(&self) -> Units<DECIMALS> {
        gauge::Atomic::inc_by(self, Units(1))
    }

    fn inc_by(&self, amount: Units<DECIMALS>) -> Units<DECIMALS> {
        Units(self.fetch_add(amount.0, Ordering::Relaxed))
    }

    fn dec(&self) -> Units<DECIMALS> {
        gauge::Atomic::dec_by(self, Units(1))
    }

    fn dec_by(&self, amount: Units<DECIMALS>) -> Units<DECIMALS> {
        Units(self.fetch_sub(amount.0, Ordering::Relaxed))
    }

    fn set(&self, amount: Units<DECIMALS>) -> Units<DECIMALS> {
        Units(self.swap(amount.0, Ordering::Relaxed))
    }

    fn get(&self) -> Units<DECIMALS> {
        Units(self.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
