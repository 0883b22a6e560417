//! A market snapshot with its courses and prices in a fixed order. A course is the last price of one pair at one exchange. The
//! API calls the pair `direction` and the exchange `exchanger`.

use common::{
    api::{
        courses::{AgreedPrice, Course, MarketSnapshot, OfficialRate},
        rates::{ExchangerCourses, ListedCourse},
    },
    money::{Asset, CurrencyPair},
    time::Timestamp,
};

/// A market snapshot without duplicates, sorted for lookups and for comparison with the next snapshot.
#[derive(Debug)]
pub(crate) struct SortedSnapshot {
    pub(crate) as_of: Timestamp,
    pub(crate) simulated: bool,
    /// In the order of [`course_key`], one for each exchange and pair.
    pub(crate) courses: Vec<Course>,
    /// In the order of their pairs, one for each pair.
    pub(crate) prices: Vec<AgreedPrice>,
    /// The official rates of the dollar in other currencies.
    pub(crate) official: Vec<OfficialRate>,
}

impl From<MarketSnapshot> for SortedSnapshot {
    fn from(snapshot: MarketSnapshot) -> Self {
        let MarketSnapshot { as_of, simulated, mut courses, mut prices, official, sources: _ } = snapshot;
        courses.sort_by(|a, b| course_key(a).cmp(&course_key(b)));
        courses.dedup_by(|a, b| course_key(a) == course_key(b));
        prices.sort_by_key(|price| price.direction);
        prices.dedup_by_key(|price| price.direction);
        Self { as_of, simulated, courses, prices, official }
    }
}

impl SortedSnapshot {
    pub(crate) fn price(&self, pair: CurrencyPair) -> Option<&AgreedPrice> {
        self.price_index(pair).map(|index| &self.prices[index])
    }

    /// Whether the snapshot has a price or a course of the pair.
    pub(crate) fn contains(&self, pair: CurrencyPair) -> bool {
        self.price(pair).is_some() || self.courses_of(pair).next().is_some()
    }

    /// Whether the snapshot has a price, a course or an official rate of the asset.
    pub(crate) fn contains_asset(&self, asset: Asset) -> bool {
        let courses = self.courses.iter().map(|course| course.direction);
        let mut pairs = courses.chain(self.prices.iter().map(|price| price.direction));
        pairs.any(|pair| pair.base == asset || pair.quote == asset) || self.official_rate(asset).is_some()
    }

    /// The price that contains the votes for `price`: the price of the first leg if `price` is computed, or else `price`.
    pub(crate) fn voted<'a>(&'a self, price: &'a AgreedPrice) -> Option<&'a AgreedPrice> {
        price.legs.first().map_or(Some(price), |leg| self.price(*leg))
    }

    /// The official rate of the dollar in `currency`.
    pub(crate) fn official_rate(&self, currency: Asset) -> Option<&OfficialRate> {
        self.official.iter().find(|rate| rate.currency == currency)
    }

    /// The position of the pair's price in `prices`.
    pub(super) fn price_index(&self, pair: CurrencyPair) -> Option<usize> {
        self.prices.binary_search_by_key(&pair, |price| price.direction).ok()
    }

    /// The courses of one pair, in the order of their exchanges.
    pub(crate) fn courses_of(&self, pair: CurrencyPair) -> impl Iterator<Item = &Course> {
        self.courses.iter().filter(move |course| course.direction == pair)
    }
}

/// Identifies a course within a snapshot.
pub(super) fn course_key(course: &Course) -> (&str, CurrencyPair) {
    (&course.exchanger, course.direction)
}

/// Groups courses by exchange. The courses must come in the order of [`course_key`].
pub(super) fn group_by_exchange<'a>(courses: impl Iterator<Item = &'a Course>) -> Vec<ExchangerCourses> {
    let mut groups: Vec<ExchangerCourses> = Vec::new();
    for course in courses {
        let listed = ListedCourse::from(course);
        match groups.last_mut().filter(|group| group.exchanger == course.exchanger) {
            Some(group) => group.courses.push(listed),
            None => groups.push(ExchangerCourses { exchanger: course.exchanger.clone(), courses: vec![listed] }),
        }
    }
    groups
}
