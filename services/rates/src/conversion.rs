//! How much of one asset an amount of another is.

mod ratio;

use std::time::Duration;

use common::{
    api::{
        FieldError,
        rates::{Conversion, ConversionStep, PathKind, RoundingMode},
    },
    money::{Asset, CurrencyPair, DecimalText, parse_decimal},
    time::Timestamp,
};

use self::ratio::{DECIMALS, Ratio, format_fixed_point};
use crate::{
    current_price::{PriceError, current_price},
    limits::MAX_AMOUNT,
    snapshot::MarketSnapshotView,
};

/// What a conversion goes through where there is no price between the two: the most traded first.
const BRIDGE_ASSETS: [Asset; 6] = [Asset::USD, Asset::EUR, Asset::USDT, Asset::BTC, Asset::GBP, Asset::ETH];
/// Decimals of a rate as it is shown: an inverse one, such as of a cent in bitcoin, begins late.
const RATE_DECIMALS: u32 = 16;
/// Currencies whose smallest unit is not the hundredth (ISO 4217, list one).
const ZERO_DECIMAL_CURRENCIES: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF"];
const THREE_DECIMAL_CURRENCIES: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// Why an amount was not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConvertError {
    #[error("a field has a value that is not allowed")]
    Fields(Vec<FieldError>),
    /// There is a way, and a price on it is missing at the moment.
    #[error(transparent)]
    PriceError(PriceError),
    #[error("no way leads from {0} to {1}")]
    NoPath(Asset, Asset),
}

/// What is to be converted, every field checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConversionRequest {
    from: Asset,
    to: Asset,
    /// In hundred-millionths.
    amount: u128,
}

impl ConversionRequest {
    pub(crate) fn check(view: &MarketSnapshotView, from: Asset, to: Asset, amount: &str) -> Result<Self, ConvertError> {
        let mut errors = Vec::new();
        for (field, asset) in [("from", from), ("to", to)] {
            if !view.catalogue.has(asset) {
                errors.push(FieldError::new(field, format!("nobody tells a price of {asset}")));
            }
        }
        if from == to {
            errors.push(FieldError::new("to", "must be another than from"));
        }
        let amount = read_amount(amount).map_err(|reason| errors.push(FieldError::new("amount", reason)));
        match amount {
            Ok(amount) if errors.is_empty() => Ok(Self { from, to, amount }),
            _ => Err(ConvertError::Fields(errors)),
        }
    }
}

/// In hundred-millionths.
fn read_amount(text: &str) -> Result<u128, String> {
    let amount = parse_decimal(text.trim()).map_err(|error| error.to_string())?.normalize();
    if amount.is_sign_negative() || amount.is_zero() {
        return Err("must be greater than 0".to_owned());
    }
    if amount.scale() > DECIMALS {
        return Err(format!("must have at most {DECIMALS} decimals"));
    }
    let units = u128::try_from(amount.mantissa()).ok();
    let units = units.and_then(|units| units.checked_mul(10_u128.pow(DECIMALS - amount.scale())));
    let limit = u128::from(MAX_AMOUNT) * 10_u128.pow(DECIMALS);
    units.filter(|&units| units < limit).ok_or_else(|| format!("must be less than {MAX_AMOUNT}"))
}

/// A way with the exact fraction that it comes to.
#[derive(Debug)]
struct ConversionPath {
    ratio: Ratio,
    steps: Vec<ConversionStep>,
    simulated: bool,
}

/// Converts by the prices that may be used at `now`: by the price of the one in the other, else by its inverse, else by way
/// of a third asset. Exact until the end, where it is rounded once, half to even, to the decimals of `to`.
pub(crate) fn convert(
    view: &MarketSnapshotView,
    request: &ConversionRequest,
    now: Timestamp,
    ttl: Duration,
) -> Result<Conversion, ConvertError> {
    let &ConversionRequest { from, to, amount } = request;
    let way = find(view, from, to, now, ttl)?;
    let decimals = decimals(to);
    let too_large = || ConvertError::Fields(vec![FieldError::new("amount", "comes to more than can be told exactly")]);
    let result = way.ratio.scale_rounded_half_even(amount, decimals).ok_or_else(too_large)?;
    let as_of = way.steps.iter().map(|step| step.as_of).min().unwrap_or(now);
    let path = match &way.steps[..] {
        [step] if step.inverse => PathKind::Inverse,
        [_] => PathKind::Direct,
        _ => PathKind::Cross,
    };
    Ok(Conversion {
        from,
        to,
        amount: shown_amount(amount),
        result: format_fixed_point(result, decimals).into(),
        decimals,
        rounding: RoundingMode::HalfEven,
        rate: way.ratio.text_rounded_half_even(RATE_DECIMALS).into(),
        path,
        steps: way.steps,
        as_of,
        simulated: way.simulated,
    })
}

fn shown_amount(amount: u128) -> DecimalText {
    let text = format_fixed_point(amount, DECIMALS);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// The first way on which every price is current. Where there is none: why the first that could be one is none now.
fn find(
    view: &MarketSnapshotView,
    from: Asset,
    to: Asset,
    now: Timestamp,
    ttl: Duration,
) -> Result<ConversionPath, ConvertError> {
    let mut missing = None;
    let between = BRIDGE_ASSETS.iter().filter(|asset| **asset != from && **asset != to);
    let ways = std::iter::once(vec![(from, to)]).chain(between.map(|&asset| vec![(from, asset), (asset, to)]));
    for legs in ways {
        match legs.into_iter().try_fold(ConversionPath::start(), |way, (from, to)| way.go(view, from, to, now, ttl)) {
            Ok(way) => return Ok(way),
            Err(PriceError::Unknown(_) | PriceError::NotAgreed(_)) => {}
            Err(error) => missing = missing.or(Some(error)),
        }
    }
    Err(missing.map_or(ConvertError::NoPath(from, to), ConvertError::PriceError))
}

impl ConversionPath {
    fn start() -> Self {
        Self { ratio: Ratio::ONE, steps: Vec::new(), simulated: false }
    }

    fn go(
        mut self,
        view: &MarketSnapshotView,
        from: Asset,
        to: Asset,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Self, PriceError> {
        let direct = CurrencyPair::new(from, to);
        let (price, inverse) = match current_price(view, direct, now, ttl) {
            Ok(price) => (price, false),
            // What is to be told is why the price itself is missing, unless nobody ever had it.
            Err(error) => match current_price(view, CurrencyPair::new(to, from), now, ttl) {
                Ok(price) => (price, true),
                Err(other) => {
                    return Err(if matches!(error, PriceError::Unknown(_) | PriceError::NotAgreed(_)) {
                        other
                    } else {
                        error
                    });
                }
            },
        };
        let direction = price.agreed.direction;
        let ratio = if inverse { self.ratio.divided_by(price.rate) } else { self.ratio.multiplied_by(price.rate) };
        self.ratio = ratio.ok_or_else(|| PriceError::Refused(direction, "its rate is out of range".to_owned()))?;
        self.simulated |= price.agreed.simulated;
        self.steps.push(ConversionStep { direction, price: price.rate, inverse, as_of: price.as_of });
        Ok(self)
    }
}

/// How many decimals an amount of it has.
fn decimals(asset: Asset) -> u32 {
    match asset.as_str() {
        "BTC" | "ETH" => 8,
        "USDT" | "USDC" => 6,
        code if ZERO_DECIMAL_CURRENCIES.contains(&code) => 0,
        code if THREE_DECIMAL_CURRENCIES.contains(&code) => 3,
        code if code.len() == 3 => 2,
        _ => 8,
    }
}

#[cfg(test)]
mod tests;
