//! The parameters of a conversion.

use common::{
    api::{FieldError, parameters::AsSent},
    money::{Asset, CurrencyPair, parse_without_exponent},
    text::describe_refused,
};

use super::{ConversionError, ratio::AMOUNT_DECIMALS};
use crate::{limits::MAX_AMOUNT, snapshot::MarketSnapshotView};

/// The query parameters of a conversion.
#[derive(Debug, Clone)]
pub(crate) struct ConversionParams {
    pub(crate) from: AsSent<Asset>,
    pub(crate) to: AsSent<Asset>,
    pub(crate) amount: String,
}

/// A validated conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConversionRequest {
    /// The amount is converted from the base asset to the quote asset of the pair.
    pub(super) pair: CurrencyPair,
    /// In hundred-millionths.
    pub(super) amount: u128,
}

impl ConversionParams {
    /// Fails with the errors of all invalid fields.
    pub(crate) fn validate(&self, view: &MarketSnapshotView) -> Result<ConversionRequest, ConversionError> {
        let Self { from, to, amount } = self;
        let mut errors = Vec::new();
        for (field, asset) in [("from", from), ("to", to)] {
            errors.extend(view.catalogue.check_asset(field, asset).err());
        }
        let (from, to) = (from.value, to.value);
        if from == to {
            errors.push(FieldError::new(
                "to",
                describe_refused("must be another currency or coin than from", &self.to.text),
            ));
        }
        let amount = check_amount(amount).map_err(|error| errors.push(error));
        match amount {
            Ok(amount) if errors.is_empty() => Ok(ConversionRequest { pair: CurrencyPair::new(from, to), amount }),
            _ => Err(ConversionError::InvalidFields(errors)),
        }
    }
}

/// Parses the amount of a conversion. Returns hundred-millionths.
pub(crate) fn check_amount(text: &str) -> Result<u128, FieldError> {
    parse_amount(text).map_err(|rule| FieldError::new("amount", describe_refused(rule, text)))
}

/// The amount in hundred-millionths. The error states the rule that the text violates.
fn parse_amount(text: &str) -> Result<u128, String> {
    let amount = parse_without_exponent(text.trim()).map_err(|error| error.to_string())?.normalize();
    if amount.is_sign_negative() || amount.is_zero() {
        return Err("must be greater than 0".to_owned());
    }
    if amount.scale() > AMOUNT_DECIMALS {
        return Err(format!("must have at most {AMOUNT_DECIMALS} decimals"));
    }
    let units = u128::try_from(amount.mantissa()).ok();
    let units = units.and_then(|units| units.checked_mul(10_u128.pow(AMOUNT_DECIMALS - amount.scale())));
    let limit = u128::from(MAX_AMOUNT) * 10_u128.pow(AMOUNT_DECIMALS);
    units.filter(|&units| units < limit).ok_or_else(|| format!("must be less than {MAX_AMOUNT}"))
}
