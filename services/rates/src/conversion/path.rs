//! The prices that lead from one asset to another. The API calls a pair `direction` and a source `exchanger`.

use common::{
    api::{
        courses::{AgreedPrice, Method, OfficialLeg},
        prices::PriceState,
        rates::{ConversionLeg, ConversionStep, StepKind},
    },
    money::{Asset, CurrencyPair},
};

use super::{ConversionError, known_error::KnownError, ratio::Ratio};
use crate::{
    current_price::{CurrentPrice, CurrentPrices, PriceError},
    snapshot::SortedSnapshot,
};

/// Assets that a path may lead through, most traded first.
const BRIDGE_ASSETS: [Asset; 6] = [Asset::USD, Asset::EUR, Asset::USDT, Asset::BTC, Asset::GBP, Asset::ETH];

/// One or more prices and their exact product.
#[derive(Debug)]
pub(super) struct ConversionPath {
    pub(super) ratio: Ratio,
    pub(super) steps: Vec<ConversionStep>,
    /// Whether any of the prices is simulated.
    pub(super) simulated: bool,
    pub(super) error: KnownError,
}

/// A path that can be chosen, before its prices are multiplied.
#[derive(Debug, Clone)]
struct Candidate {
    steps: Vec<ConversionStep>,
    simulated: bool,
    error: KnownError,
}

impl ConversionPath {
    /// Chooses a path from the base to the quote asset.
    ///
    /// If the pair or its inverse has a price, that price is used, so that a conversion agrees with `/api/v1/price`.
    /// Otherwise, the candidates are the official rate of the pair and paths of two prices through a third asset. One of
    /// the two prices may be an official rate. A candidate without a prolonged price is preferred. Then the smallest known
    /// error decides, then the smallest number of prices. An unknown error counts as the largest distance at which votes,
    /// or official rates, still agree.
    ///
    /// If there is no path, the error names the first price that is missing only temporarily. If that price is missing
    /// because no source reports the third asset, the error is [`ConversionError::NoPathNow`]. If there is no such price,
    /// the error is [`ConversionError::NoPath`].
    pub(super) fn find(prices: &CurrentPrices<'_>, pair: CurrencyPair) -> Result<Self, ConversionError> {
        let CurrencyPair { base: from, quote: to } = pair;
        let mut errors = Vec::new();
        match Candidate::of_pair(prices, pair) {
            Ok(candidate) => match candidate.into_path() {
                Ok(path) => return Ok(path),
                Err(error) => errors.push(error),
            },
            Err(error) => errors.push(error),
        }
        let mut candidates: Vec<_> = Candidate::official(prices, pair).into_iter().collect();
        for &bridge in BRIDGE_ASSETS.iter().filter(|asset| **asset != from && **asset != to) {
            let legs = [CurrencyPair::new(from, bridge), CurrencyPair::new(bridge, to)];
            let [first, second] = legs.map(|leg| Candidate::of_pair(prices, leg));
            let [official_first, official_second] = legs.map(|leg| Candidate::official(prices, leg));
            errors.extend(first.as_ref().err().or(second.as_ref().err()).cloned());
            let (first, second) = (first.ok(), second.ok());
            // Two official rates need no bridge.
            for (first, second) in [(&first, &second), (&first, &official_second), (&official_first, &second)] {
                candidates.extend(first.as_ref().zip(second.as_ref()).map(|(first, second)| first.followed_by(second)));
            }
        }
        // The sort is stable. Equal candidates therefore stay in the order of their bridge assets, most traded first.
        candidates
            .sort_by_key(|candidate| (candidate.is_prolonged(), candidate.error.millionths, candidate.steps.len()));
        for candidate in candidates {
            match candidate.into_path() {
                Ok(path) => return Ok(path),
                Err(error) => errors.push(error),
            }
        }
        let temporary = errors.into_iter().find(|error| !error.is_permanent());
        Err(match temporary {
            None => ConversionError::NoPath { from, to },
            Some(PriceError::NotReported(assets)) if !assets.contains(&from) && !assets.contains(&to) => {
                ConversionError::NoPathNow { from, to }
            }
            Some(error) => ConversionError::NoPrice(error),
        })
    }
}

impl Candidate {
    /// The price of the pair, or else the inverse of the price of the opposite pair.
    fn of_pair(prices: &CurrentPrices<'_>, pair: CurrencyPair) -> Result<Self, PriceError> {
        match prices.price(pair) {
            Ok(price) => Ok(Self::of_price(prices, &price, false)),
            Err(error) => match prices.price(pair.inverted()) {
                Ok(price) => Ok(Self::of_price(prices, &price, true)),
                // If the price of only one pair is missing temporarily, the error of that pair is returned.
                Err(inverse_error) => Err(if error.is_permanent() { inverse_error } else { error }),
            },
        }
    }

    fn of_price(prices: &CurrentPrices<'_>, price: &CurrentPrice<'_>, inverse: bool) -> Self {
        let (snapshot, agreed) = (&prices.view.snapshot, price.agreed);
        let kind = match agreed.method {
            Method::Median => StepKind::Agreed,
            Method::Cross => StepKind::Computed,
        };
        let is_fresh = price.state == PriceState::Fresh;
        // A prolonged computed price comes from an earlier price in dollars, which the snapshot no longer contains.
        let voted = snapshot.voted(agreed).filter(|_| is_fresh || kind == StepKind::Agreed);
        let mut sources = voted.map(AgreedPrice::used_sources).unwrap_or_default();
        let leg_prices = is_fresh.then(|| leg_prices(snapshot, agreed)).flatten().unwrap_or_default();
        for bank in leg_prices.iter().flat_map(|leg| &leg.sources) {
            if !sources.contains(bank) {
                sources.push(bank.clone());
            }
        }
        let step = ConversionStep {
            direction: agreed.direction,
            price: price.rate,
            inverse,
            as_of: price.as_of,
            kind,
            legs: agreed.legs.clone(),
            leg_prices,
            sources,
            state: price.state,
            official_day: agreed.official_day,
        };
        let error = KnownError::of_price(snapshot, agreed);
        Self { steps: vec![step], simulated: agreed.simulated, error }
    }

    /// The path through official rates: from the base to dollars, and from dollars to the quote. `None` if one of the
    /// two currencies has no official rate.
    fn official(prices: &CurrentPrices<'_>, pair: CurrencyPair) -> Option<Self> {
        let (mut legs, mut simulated, mut errors) = (Vec::<OfficialLeg>::new(), false, Vec::new());
        let mut has_detour = false;
        for (currency, to_dollars) in [(pair.base, true), (pair.quote, false)] {
            if currency == Asset::USD {
                continue;
            }
            let rate = prices.view.snapshot.official_rate(currency)?;
            simulated |= rate.simulated;
            errors.push(KnownError::of_official(rate));
            let invert = |leg: &OfficialLeg| OfficialLeg { inverse: !leg.inverse, ..leg.clone() };
            let from_dollars = rate.legs.iter();
            let ordered: Vec<_> =
                if to_dollars { from_dollars.rev().map(invert).collect() } else { from_dollars.cloned().collect() };
            for leg in ordered {
                // A detour back to an asset of the path is removed: KZT, RUB, USD, RUB becomes KZT, RUB.
                let visited = legs.iter().position(|earlier| earlier.base() == leg.quote());
                match visited {
                    Some(index) => {
                        legs.truncate(index);
                        has_detour = true;
                    }
                    None => legs.push(leg),
                }
            }
        }
        let error = match &errors[..] {
            // Both errors include the error of the removed rates, so a sum would count it twice.
            [first, second] if has_detour => first.larger(*second),
            _ => errors.iter().fold(KnownError::ZERO, |sum, &error| sum + error),
        };
        let step = |leg: OfficialLeg| {
            let OfficialLeg { exchanger, direction, price, inverse, observed_at, official_day } = leg;
            ConversionStep {
                direction,
                price,
                inverse,
                as_of: observed_at,
                kind: StepKind::Official,
                legs: Vec::new(),
                leg_prices: Vec::new(),
                sources: vec![exchanger],
                state: PriceState::Fresh,
                official_day,
            }
        };
        (!legs.is_empty()).then(|| Self { steps: legs.into_iter().map(step).collect(), simulated, error })
    }

    fn followed_by(&self, next: &Self) -> Self {
        Self {
            steps: self.steps.iter().chain(&next.steps).cloned().collect(),
            simulated: self.simulated || next.simulated,
            error: self.error + next.error,
        }
    }

    fn is_prolonged(&self) -> bool {
        self.steps.iter().any(|step| step.state == PriceState::Prolonged)
    }

    /// Fails if the product of the prices is out of range.
    fn into_path(self) -> Result<ConversionPath, PriceError> {
        let Self { steps, simulated, error } = self;
        let mut ratio = Ratio::ONE;
        for step in &steps {
            let next = if step.inverse { ratio.divided_by(step.price) } else { ratio.multiplied_by(step.price) };
            ratio = next.ok_or_else(|| PriceError::Refused {
                pair: step.direction,
                reason: "its rate is out of range".to_owned(),
            })?;
        }
        Ok(ConversionPath { ratio, steps, simulated, error })
    }
}

/// The prices from which a computed price was calculated: an agreed price in dollars, and the official rates from
/// dollars to the quote currency. `None` if the snapshot does not contain all of them.
fn leg_prices(snapshot: &SortedSnapshot, computed: &AgreedPrice) -> Option<Vec<ConversionLeg>> {
    let (first, others) = computed.legs.split_first()?;
    let agreed = snapshot.price(*first)?;
    let official = snapshot.official_rate(computed.direction.quote)?;
    if !official.legs.iter().map(|leg| leg.direction).eq(others.iter().copied()) {
        return None;
    }
    let agreed = ConversionLeg {
        direction: *first,
        price: agreed.price?,
        inverse: false,
        as_of: agreed.as_of?,
        kind: StepKind::Agreed,
        sources: agreed.used_sources(),
        state: agreed.state.unwrap_or_default(),
        official_day: None,
    };
    let official = official.legs.iter().map(|leg| ConversionLeg {
        direction: leg.direction,
        price: leg.price,
        inverse: leg.inverse,
        as_of: leg.observed_at,
        kind: StepKind::Official,
        sources: vec![leg.exchanger.clone()],
        state: PriceState::Fresh,
        official_day: leg.official_day,
    });
    Some(std::iter::once(agreed).chain(official).collect())
}
