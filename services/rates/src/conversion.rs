//! Converts an amount of one asset into another at the current agreed prices and official rates.

mod known_error;
mod path;
mod precision;
mod ratio;
mod request;

use common::{
    api::{
        FieldError,
        prices::PriceState,
        rates::{Conversion, ConversionStep, PathKind, RoundingMode, StepKind},
    },
    money::{Asset, DecimalText},
    time::Timestamp,
};

pub(crate) use self::request::{ConversionParams, ConversionRequest, check_amount};
use self::{
    path::ConversionPath,
    precision::result_decimals,
    ratio::{AMOUNT_DECIMALS, format_fixed_point},
};
use crate::current_price::{CurrentPrices, PriceError};

/// Maximum number of decimals of the displayed rate. An inverse rate, such as the rate from yen to bitcoin, has many
/// leading zeros.
const RATE_DECIMALS: u32 = 16;

/// Why an amount was not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConversionError {
    #[error("a field has a value that is not allowed")]
    InvalidFields(Vec<FieldError>),
    /// There is no path, and a price that a path could contain is missing only temporarily.
    #[error(transparent)]
    NoPrice(PriceError),
    /// There is no path, because no source reports an asset between `from` and `to` at the moment.
    #[error(
        "{from} cannot be converted to {to} at the moment, because the price sources report neither this price nor prices from \
         which it can be computed"
    )]
    NoPathNow { from: Asset, to: Asset },
    #[error("no agreed prices connect {from} to {to}")]
    NoPath { from: Asset, to: Asset },
}

/// Converts along the path that [`ConversionPath::find`] chooses. The computation is exact. The result is rounded once,
/// half to even, to the decimals of the target asset.
pub(crate) fn convert(prices: &CurrentPrices<'_>, request: &ConversionRequest) -> Result<Conversion, ConversionError> {
    let &ConversionRequest { pair, amount } = request;
    let path = ConversionPath::find(prices, pair)?;
    let decimals = result_decimals(pair.quote);
    let result = path.ratio.scale_rounded_half_even(amount, decimals).ok_or_else(|| {
        let reason = "converts to a result that is too large to represent; use a smaller amount";
        ConversionError::InvalidFields(vec![FieldError::new("amount", reason)])
    })?;
    let as_of = oldest_observation(&path.steps).unwrap_or(prices.now);
    Ok(Conversion {
        from: pair.base,
        to: pair.quote,
        amount: format_amount(amount),
        result: format_fixed_point(result, decimals).into(),
        decimals,
        rounding: RoundingMode::HalfEven,
        rate: path.ratio.text_rounded_half_even(RATE_DECIMALS).into(),
        path: path_kind(&path.steps),
        as_of,
        age_secs: prices.now.since(as_of).as_secs(),
        state: path.steps.iter().map(|step| step.state).max().unwrap_or(PriceState::Fresh),
        known_error_percent: path.error.percent(),
        steps: path.steps,
        simulated: path.simulated,
    })
}

/// When the oldest price was observed. An official rate is valid until the next publication, so its time counts only
/// if there are no other prices.
fn oldest_observation(steps: &[ConversionStep]) -> Option<Timestamp> {
    let observed = steps.iter().filter(|step| step.kind != StepKind::Official).map(|step| step.as_of);
    observed.min().or_else(|| steps.iter().map(|step| step.as_of).min())
}

/// A path of one computed price is a cross path, even if it is the price of the pair.
fn path_kind(steps: &[ConversionStep]) -> PathKind {
    match steps {
        [step] if step.kind == StepKind::Computed => PathKind::Cross,
        [step] if step.inverse => PathKind::Inverse,
        [_] => PathKind::Direct,
        _ => PathKind::Cross,
    }
}

/// Formats hundred-millionths without trailing zeros.
fn format_amount(amount: u128) -> DecimalText {
    let text = format_fixed_point(amount, AMOUNT_DECIMALS);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests;
