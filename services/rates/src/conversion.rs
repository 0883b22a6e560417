//! Converts an amount of one asset into another at the current agreed prices.

mod path;
mod precision;
mod ratio;
mod request;

use common::{
    api::{
        FieldError,
        rates::{Conversion, PathKind, RoundingMode},
    },
    money::{Asset, DecimalText},
};

pub(crate) use self::request::{ConversionParams, ConversionRequest};
use self::{
    path::ConversionPath,
    precision::result_decimals,
    ratio::{AMOUNT_DECIMALS, format_fixed_point},
};
use crate::current_price::{CurrentPrices, PriceError};

/// Decimals of the displayed rate. An inverse rate, such as that of a cent in bitcoin, has many leading zeros.
const RATE_DECIMALS: u32 = 16;

/// Why an amount was not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConversionError {
    #[error("a field has a value that is not allowed")]
    InvalidFields(Vec<FieldError>),
    /// A path exists, but one of its prices is missing at the moment.
    #[error(transparent)]
    NoPrice(PriceError),
    #[error("no agreed prices connect {from} to {to}")]
    NoPath { from: Asset, to: Asset },
}

/// Converts along the first path on which all prices are current: the price of the pair, its inverse, or two prices through
/// a third asset. The computation is exact. Only the result is rounded, half to even, to the decimals of the target asset.
pub(crate) fn convert(prices: &CurrentPrices<'_>, request: &ConversionRequest) -> Result<Conversion, ConversionError> {
    let &ConversionRequest { pair, amount } = request;
    let path = ConversionPath::find(prices, pair)?;
    let decimals = result_decimals(pair.quote);
    let result = path.ratio.scale_rounded_half_even(amount, decimals).ok_or_else(|| {
        let reason = "converts to a result that is too large to represent; use a smaller amount";
        ConversionError::InvalidFields(vec![FieldError::new("amount", reason)])
    })?;
    let as_of = path.steps.iter().map(|step| step.as_of).min().unwrap_or(prices.now);
    let kind = match &path.steps[..] {
        [step] if step.inverse => PathKind::Inverse,
        [_] => PathKind::Direct,
        _ => PathKind::Cross,
    };
    Ok(Conversion {
        from: pair.base,
        to: pair.quote,
        amount: format_amount(amount),
        result: format_fixed_point(result, decimals).into(),
        decimals,
        rounding: RoundingMode::HalfEven,
        rate: path.ratio.text_rounded_half_even(RATE_DECIMALS).into(),
        path: kind,
        steps: path.steps,
        as_of,
        simulated: path.simulated,
    })
}

/// Formats hundred-millionths without trailing zeros.
fn format_amount(amount: u128) -> DecimalText {
    let text = format_fixed_point(amount, AMOUNT_DECIMALS);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests;
