//! The prices that lead from one asset to another.

use common::{
    api::rates::ConversionStep,
    money::{Asset, CurrencyPair},
};

use super::{ConversionError, ratio::Ratio};
use crate::current_price::{CurrentPrices, PriceError};

/// Assets that a path may lead through, most traded first.
const BRIDGE_ASSETS: [Asset; 6] = [Asset::USD, Asset::EUR, Asset::USDT, Asset::BTC, Asset::GBP, Asset::ETH];

/// One or two prices and their exact product.
#[derive(Debug)]
pub(super) struct ConversionPath {
    pub(super) ratio: Ratio,
    pub(super) steps: Vec<ConversionStep>,
    /// Whether any of the prices is simulated.
    pub(super) simulated: bool,
}

impl ConversionPath {
    /// Finds the first path from the base to the quote asset on which every price is current. If there is none, the error
    /// describes the first path that fails temporarily, if any.
    pub(super) fn find(prices: &CurrentPrices<'_>, pair: CurrencyPair) -> Result<Self, ConversionError> {
        let CurrencyPair { base: from, quote: to } = pair;
        let mut temporary_error = None;
        let bridges = BRIDGE_ASSETS.iter().filter(|asset| **asset != from && **asset != to);
        let through_bridge =
            bridges.map(|&bridge| vec![CurrencyPair::new(from, bridge), CurrencyPair::new(bridge, to)]);
        for legs in std::iter::once(vec![pair]).chain(through_bridge) {
            match legs.into_iter().try_fold(Self::empty(), |path, leg| path.append_leg(prices, leg)) {
                Ok(path) => return Ok(path),
                Err(error) if error.is_permanent() => {}
                Err(error) => temporary_error = temporary_error.or(Some(error)),
            }
        }
        Err(temporary_error.map_or(ConversionError::NoPath { from, to }, ConversionError::NoPrice))
    }

    fn empty() -> Self {
        Self { ratio: Ratio::ONE, steps: Vec::new(), simulated: false }
    }

    /// Appends the price of the leg, or the inverse of the price of the opposite pair.
    fn append_leg(mut self, prices: &CurrentPrices<'_>, leg: CurrencyPair) -> Result<Self, PriceError> {
        let (price, inverse) = match prices.price(leg) {
            Ok(price) => (price, false),
            Err(error) => match prices.price(CurrencyPair::new(leg.quote, leg.base)) {
                Ok(price) => (price, true),
                // A temporary failure of either pair is more useful to the client than a pair that never has a price.
                Err(inverse_error) => return Err(if error.is_permanent() { inverse_error } else { error }),
            },
        };
        let pair = price.agreed.direction;
        let ratio = if inverse { self.ratio.divided_by(price.rate) } else { self.ratio.multiplied_by(price.rate) };
        self.ratio =
            ratio.ok_or_else(|| PriceError::Refused { pair, reason: "its rate is out of range".to_owned() })?;
        self.simulated |= price.agreed.simulated;
        self.steps.push(ConversionStep { direction: pair, price: price.rate, inverse, as_of: price.as_of });
        Ok(self)
    }
}
