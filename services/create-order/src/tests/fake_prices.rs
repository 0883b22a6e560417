//! Price readers with and without a fault.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    api::{
        events::Topic,
        prices::{BASE, Price, PriceRecord, PriceState},
    },
    clients::{
        CallError,
        price_cache::{DocumentSource, EventBytes, PriceCacheClient},
    },
    money::Currency,
    time::{Clock, Timestamp},
};

use crate::price_reader::PriceReader;

/// Why create-order itself cannot accept an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocalFault {
    None,
    NoRecord,
    CacheUnavailable,
    /// The record is prolonged and older than the maximum age.
    TooOld,
    /// The record has no price in the currency.
    NotPriced,
    /// `CURRENCIES` no longer contains the currency.
    CurrencyRemoved,
    /// At this price, the amount buys more bitcoin than can exist.
    AmountTooLarge,
    /// The amount is less than `ORDER_MIN_AMOUNT`.
    OutOfBounds,
}

impl LocalFault {
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::NoRecord,
        Self::CacheUnavailable,
        Self::TooOld,
        Self::NotPriced,
        Self::CurrencyRemoved,
        Self::AmountTooLarge,
        Self::OutOfBounds,
    ];
}

/// A price-cache-proxy with one record.
struct FakePrices {
    /// `None` if price-cache-proxy is unavailable.
    document: Option<Bytes>,
}

#[async_trait]
impl DocumentSource for FakePrices {
    async fn fetch_document(&self, _: Topic) -> Result<Bytes, CallError> {
        let unavailable = || CallError::InvalidResponse(PriceCacheClient::SERVICE, "unavailable".to_owned());
        self.document.clone().ok_or_else(unavailable)
    }

    async fn open_events(&self, _: &[Topic]) -> Result<EventBytes, CallError> {
        Err(CallError::InvalidResponse(PriceCacheClient::SERVICE, "unavailable".to_owned()))
    }
}

pub fn prices_with(fault: LocalFault) -> PriceReader {
    let is_old = fault == LocalFault::TooOld;
    let price = |text: &str| Price::new(text.parse().unwrap(), vec!["kraken".to_owned()]);
    let mut prices = [(Currency::USD, price("91000.5"))].into_iter().collect::<std::collections::BTreeMap<_, _>>();
    match fault {
        LocalFault::NotPriced => {}
        LocalFault::AmountTooLarge => drop(prices.insert(Currency::EUR, price("0.00000001"))),
        _ => drop(prices.insert(Currency::EUR, price("84000.12"))),
    }
    let record = PriceRecord {
        base: BASE.to_owned(),
        state: if is_old { PriceState::Prolonged } else { PriceState::Fresh },
        as_of: Timestamp::now().minus(Duration::from_secs(if is_old { 120 } else { 0 })),
        expires_at: Timestamp::now().plus(Duration::from_secs(600)),
        newest_as_of: None,
        simulated: false,
        prices: prices.into_iter().collect(),
    };
    let document = match fault {
        LocalFault::CacheUnavailable => None,
        LocalFault::NoRecord => Some(Bytes::new()),
        _ => Some(serde_json::to_vec(&record).unwrap().into()),
    };
    let max_age = Some(Duration::from_secs(60));
    PriceReader::with_source(Arc::new(FakePrices { document }), max_age, Clock::System)
}
