//! The smallest and the largest amount of an order in each currency.

use std::collections::BTreeMap;

use common::{
    config::{Env, shared::parse_distinct},
    money::{Currency, FiatAmount},
};

/// The configured bounds, both inclusive. A currency without a bound has only the bounds of [`FiatAmount`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AmountBounds {
    smallest: BTreeMap<Currency, FiatAmount>,
    largest: BTreeMap<Currency, FiatAmount>,
}

impl AmountBounds {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `ORDER_MIN_AMOUNT` | none | the smallest amount in each currency, such as `EUR:1,USD:1.50` |
    /// | `ORDER_MAX_AMOUNT` | none | the largest amount in each currency |
    pub fn from_env(env: &mut Env, currencies: &[Currency]) -> Self {
        let smallest = amounts(env, "ORDER_MIN_AMOUNT", currencies);
        let largest = amounts(env, "ORDER_MAX_AMOUNT", currencies);
        for (currency, smallest) in &smallest {
            if let Some(largest) = largest.get(currency).filter(|largest| smallest > *largest) {
                let allowed = format!("at most {currency}:{largest}, the value in ORDER_MAX_AMOUNT");
                env.add_error("ORDER_MIN_AMOUNT", format!("{currency}:{smallest}"), &allowed);
            }
        }
        Self { smallest, largest }
    }

    /// Checks the amount of an order or a quote. The error text states the bound.
    pub fn check(&self, currency: Currency, amount: FiatAmount) -> Result<(), String> {
        let smallest = self.smallest.get(&currency).filter(|smallest| amount < **smallest);
        let largest = self.largest.get(&currency).filter(|largest| amount > **largest);
        match (smallest, largest) {
            (Some(smallest), _) => Err(format!("must be at least {smallest} {currency}")),
            (None, Some(largest)) => Err(format!("must be at most {largest} {currency}")),
            (None, None) => Ok(()),
        }
    }
}

fn amounts(env: &mut Env, variable: &str, currencies: &[Currency]) -> BTreeMap<Currency, FiatAmount> {
    let codes = currencies.iter().map(Currency::as_str).collect::<Vec<_>>().join(", ");
    let allowed = format!("an amount for some of {codes}, each once, such as {}:1.50", currencies[0]);
    let parse_amount = |element: &str| {
        let (code, amount) = element.split_once(':')?;
        let currency = code.trim().parse().ok().filter(|currency| currencies.contains(currency))?;
        Some((currency, amount.trim().parse().ok()?))
    };
    let parse = |text: &str| {
        let amounts = parse_distinct(text, parse_amount)?;
        let by_currency: BTreeMap<_, _> = amounts.iter().copied().collect();
        (by_currency.len() == amounts.len()).then_some(by_currency)
    };
    env.parse_with(variable, &allowed, parse).unwrap_or_default()
}

#[cfg(test)]
mod tests;
