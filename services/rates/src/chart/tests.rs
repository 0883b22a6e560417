//! Tests of charts. A course is the last price of one pair at one exchange. The API calls the pair `direction` and the
//! exchange `exchanger`.

use common::api::courses::Course;

use super::*;
use crate::{
    snapshot::SnapshotOrigin,
    tests::fixtures::{agreed_price, course, snapshot, time_at},
};

fn candle(exchanger: &str, minute: u64, close: &str) -> Candle {
    let rate = |text: &str| text.parse().unwrap();
    Candle {
        exchanger: exchanger.to_owned(),
        direction: "BTC-USD".parse().unwrap(),
        start: Timestamp::from_micros(time_at(minute * 60).micros() / 60_000_000 * 60_000_000).unwrap(),
        open: rate(close),
        high: rate(close),
        low: rate(close),
        close: rate(close),
        changes: 1,
        simulated: true,
    }
}

/// Candles of five exchanges with varying courses. One of the exchanges reports wrong values.
fn varied_candles(minutes: u64) -> Vec<Candle> {
    let names = ["binance", "coinbase", "kraken", "okx", "wrong"];
    let minutes_and_exchanges =
        (0..minutes).flat_map(|minute| names.iter().enumerate().map(move |(n, name)| (minute, n, *name)));
    let candles = minutes_and_exchanges.map(|(minute, n, name)| {
        let wave = (minute * 7919 % 97) + minute * 3 % 400 + minute * minute % 1009 / 9;
        let value = if name == "wrong" { 36_400 } else { 91_000 + wave + u64::try_from(n).unwrap() * 9 };
        candle(name, minute, &format!("{value}.5"))
    });
    candles.collect()
}

/// The series of the hours before `minute`.
fn series(candles: &[Candle], hours: u32, minute: u64) -> Series {
    let end = time_at(minute * 60);
    Series::from_candles(candles, Period { end, hours, candle_width: Duration::from_mins(1), carries_to_end: true })
}

fn chart(candles: &[Candle], hours: u32, minute: u64) -> Chart {
    let series = series(candles, hours, minute);
    let simulated = series.simulated;
    Chart {
        pair: "BTC-USD".parse().unwrap(),
        hours,
        now: time_at(minute * 60),
        current_price: Some("91234.5".parse().unwrap()),
        prolonged_age: None,
        series,
        reported: true,
        simulated,
    }
}

/// Checks that the SVG is well-formed, and returns all its texts.
fn checked_texts(svg: &str) -> String {
    let mut reader = quick_xml::Reader::from_str(svg);
    let (mut depth, mut texts) = (0, Vec::new());
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(_) => depth += 1,
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Text(text) => texts.push(text.unescape().unwrap().trim().to_owned()),
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    texts.retain(|text| !text.is_empty());
    texts.join("|")
}

/// If the variable `SHOW_CHARTS` names a folder, writes the chart to this folder, for review by a person.
fn save_for_review(name: &str, svg: &str) {
    if let Some(folder) = std::env::var_os("SHOW_CHARTS") {
        std::fs::write(std::path::Path::new(&folder).join(name), svg).unwrap();
    }
}

#[test]
fn chart_is_well_formed_and_labelled() {
    let svg = chart(&varied_candles(360), 6, 359).to_svg().unwrap();
    save_for_review("hours.svg", &svg);
    assert!(
        svg.starts_with("<svg style=\"max-width:100%;height:auto\" width=\"900\""),
        "the chart does not fit a narrow window: {svg}"
    );
    let texts = checked_texts(&svg);
    for part in [
        "BTC-USD 91,234.50",
        "SIMULATED",
        "time (UTC), up to 2 Jan 2026, 09:03",
        "USD for 1 BTC",
        "Median of 5 exchanges",
        "last 6 hours",
        "91,200",
    ] {
        assert!(texts.contains(part), "{part}: {texts}");
    }
    assert!(svg.len() < 40_000, "{}", svg.len());
}

#[test]
fn labels_of_the_axes_are_larger_on_a_narrow_screen() {
    let svg = chart(&varied_candles(360), 6, 359).to_svg().unwrap();
    assert!(svg.contains("<style>@media(max-width:600px){text[font-size=\"12\"]"), "{svg}");
    // The attributes that the style selects.
    let label = svg.lines().find(|line| line.contains("text-anchor=\"end\"") && line.contains("font-size=\"12\""));
    assert!(label.is_some(), "{svg}");
    assert_eq!(svg.lines().filter(|line| line.starts_with("<text") && line.contains("transform=")).count(), 1, "{svg}");
}

#[test]
fn empty_chart_states_why_it_is_empty() {
    let mut empty = chart(&[], 6, 0);
    empty.current_price = None;
    let svg = empty.to_svg().unwrap();
    save_for_review("empty.svg", &svg);
    let texts = checked_texts(&svg);
    assert!(texts.contains("no data yet") && texts.contains("time (UTC)") && !texts.contains("SIMULATED"), "{texts}");
    empty.reported = false;
    let texts = checked_texts(&empty.to_svg().unwrap());
    assert!(texts.contains("no exchange reports this pair at the moment") && !texts.contains("no data yet"), "{texts}");
}

#[test]
fn single_real_point_is_drawn_and_not_marked_as_simulated() {
    let real = Candle { simulated: false, ..candle("kraken", 5, "0.99981") };
    let svg = chart(&[real], 1, 5).to_svg().unwrap();
    save_for_review("point.svg", &svg);
    let texts = checked_texts(&svg);
    assert!(!texts.contains("SIMULATED") && texts.contains("One exchange"), "{texts}");
}

#[test]
fn chart_of_a_whole_day_is_well_formed() {
    checked_texts(&chart(&varied_candles(1440), 24, 1440).to_svg().unwrap());
}

#[test]
fn prolonged_price_is_marked_with_its_age() {
    let real: Vec<_> = varied_candles(60).into_iter().map(|candle| Candle { simulated: false, ..candle }).collect();
    let age = Some(Duration::from_secs(12 * 60 + 30));
    let prolonged = Chart { prolonged_age: age, ..chart(&real, 1, 59) };
    let svg = prolonged.to_svg().unwrap();
    save_for_review("prolonged.svg", &svg);
    let texts = checked_texts(&svg);
    assert!(texts.contains("PROLONGED, 12 min old") && texts.contains(", prolonged, 12 min old"), "{texts}");
    let both = Chart { prolonged_age: age, ..chart(&varied_candles(60), 1, 59) };
    let texts = checked_texts(&both.to_svg().unwrap());
    assert!(texts.contains("SIMULATED, worth nothing; PROLONGED, 12 min old"), "{texts}");
    assert!(!checked_texts(&chart(&real, 1, 59).to_svg().unwrap()).to_lowercase().contains("prolonged"));
}

#[test]
fn time_axis_is_shortened_to_the_available_data() {
    let svg = chart(&varied_candles(20), 6, 19).to_svg().unwrap();
    save_for_review("start.svg", &svg);
    let texts = checked_texts(&svg);
    assert!(texts.contains("the last 6 hours, known since 03:04 UTC") && texts.contains("03:15"), "{texts}");
    assert!(!checked_texts(&chart(&varied_candles(200), 6, 199).to_svg().unwrap()).contains("known since"));
    let single_minute = checked_texts(&chart(&varied_candles(1), 6, 0).to_svg().unwrap());
    assert!(single_minute.contains("known since 03:04 UTC") && single_minute.contains("02:56"), "{single_minute}");
}

#[test]
fn extreme_prices_are_drawn() {
    for value in ["0.00000001", "9999999999.99999999"] {
        let svg = chart(&[candle("kraken", 0, value), candle("kraken", 1, value)], 1, 1).to_svg().unwrap();
        save_for_review(&format!("extreme-{}.svg", value.len()), &svg);
        checked_texts(&svg);
    }
}

/// Low, median and high of each point.
fn points(series: &Series) -> Vec<(i64, i64, i64)> {
    series.points().map(|point| (point.low, point.median, point.high)).collect()
}

#[test]
fn line_is_the_median_and_band_spans_all_exchanges() {
    let candles = [candle("a1", 0, "100"), candle("b1", 0, "103"), candle("c1", 0, "102"), candle("a1", 1, "101")];
    let series = series(&candles, 1, 1);
    let units = |n: i64| n * 100_000_000;
    // The courses of b1 and c1 are carried forward to the second minute.
    assert_eq!(points(&series), [(units(100), units(102), units(103)), (units(101), units(102), units(103))]);
    assert_eq!((series.exchangers, series.simulated), (3, true));
}

#[test]
fn outlier_does_not_widen_the_band() {
    let candles = [candle("a1", 0, "100"), candle("b1", 0, "40"), candle("c1", 0, "103"), candle("d1", 0, "104")];
    assert_eq!(points(&series(&candles, 1, 0)), [(10_000_000_000, 10_150_000_000, 10_400_000_000)]);
}

#[test]
fn course_is_carried_forward_for_a_limited_time() {
    let candles = [candle("a1", 0, "10"), candle("a1", 30, "11")];
    let series = series(&candles, 1, 31);
    assert_eq!(series.segments.iter().map(Vec::len).collect::<Vec<_>>(), [11, 2]);
}

#[test]
fn number_of_points_is_bounded() {
    let series = series(&varied_candles(1440), 24, 1440);
    assert!((300..=401).contains(&series.points().count()), "{}", series.points().count());
}

#[test]
fn index_courses_of_a_traded_pair_are_excluded() {
    let index = Course { kind: CourseKind::Index, ..course("wrong", "BTC-USD", "1") };
    let courses = vec![course("kraken", "BTC-USD", "1"), index];
    let snapshot = snapshot(time_at(0), courses, vec![agreed_price("BTC-USD", "1")]);
    let view = MarketSnapshotView::new(snapshot, SnapshotOrigin::PriceCache, None);
    let pair = "BTC-USD".parse().unwrap();
    let comparable = comparable_candles(varied_candles(1), Some(&view), pair);
    assert!(comparable.iter().all(|candle| candle.exchanger != "wrong"));
    assert_eq!(comparable_candles(varied_candles(1), None, pair).len(), 5);
}

/// An outage is a period in which no exchange reports a course.
#[test]
fn outage_is_shown_as_a_gap() {
    let candles_without = |minutes: std::ops::Range<u64>| {
        let is_outage =
            |candle: &Candle| minutes.clone().any(|minute| candle.start == self::candle("x", minute, "1").start);
        varied_candles(60).into_iter().filter(|candle| !is_outage(candle)).collect::<Vec<_>>()
    };
    let outage = chart(&candles_without(20..35), 1, 59);
    assert_eq!(outage.series.segments.iter().map(Vec::len).collect::<Vec<_>>(), [21, 25]);
    let svg = outage.to_svg().unwrap();
    save_for_review("gap.svg", &svg);
    let texts = checked_texts(&svg);
    assert!(texts.contains("with one gap without data") && texts.contains("no data"), "{texts}");
    // An outage of two minutes is shown, too. A single minute without a course is not a gap.
    assert_eq!(chart(&candles_without(20..22), 1, 59).series.segments.len(), 2);
    let missing_minute = chart(&candles_without(20..21), 1, 59);
    assert_eq!(missing_minute.series.segments.len(), 1);
    assert!(!checked_texts(&missing_minute.to_svg().unwrap()).contains("gap"));
}

/// The courses change only every fifth minute.
#[test]
fn time_between_rare_changes_is_not_shown_as_a_gap() {
    let every_fifth: Vec<_> =
        varied_candles(60).into_iter().enumerate().filter(|(n, _)| n / 5 % 5 == 0).map(|(_, candle)| candle).collect();
    assert_eq!(chart(&every_fifth, 1, 59).series.segments.len(), 1);
}

#[test]
fn line_ends_at_the_last_course_if_there_is_no_current_price() {
    let candles = varied_candles(50);
    let period =
        Period { end: time_at(52 * 60), hours: 1, candle_width: Duration::from_mins(1), carries_to_end: false };
    let current = chart(&candles, 1, 52);
    let expired = Chart { current_price: None, series: Series::from_candles(&candles, period), ..current.clone() };
    let last = |chart: &Chart| chart.series.last_point().unwrap().time;
    assert!(last(&current) > last(&expired));
    assert_eq!(last(&expired), candles.last().unwrap().start.micros() / 1_000_000);
    let svg = expired.to_svg().unwrap();
    save_for_review("expired.svg", &svg);
    let texts = checked_texts(&svg);
    assert!(
        texts.contains("BTC-USD, the last hour, no current price") && texts.contains("BTC-USD: no current price"),
        "{texts}"
    );
    // The dot of the current price is absent.
    assert!(!svg.contains("<circle") && current.to_svg().unwrap().contains("<circle"));
}

#[test]
fn cached_chart_is_not_shown_after_its_price_has_expired() {
    let market = snapshot(time_at(0), Vec::new(), vec![agreed_price("BTC-USD", "91234.5")]);
    let view = MarketSnapshotView::new(market, SnapshotOrigin::PriceCache, None);
    let now = time_at(30);
    let price = |ttl| CurrentPrices { view: &view, now, ttl }.price("BTC-USD".parse().unwrap()).unwrap();
    let refresh = Duration::from_secs(5);
    let expires_soon = price(Duration::from_secs(32));
    assert_eq!(valid_until(now, refresh, Some(expires_soon)), expires_soon.expires_at);
    assert!(expires_soon.expires_at < now.plus(refresh));
    assert_eq!(valid_until(now, refresh, Some(price(Duration::from_secs(60)))), now.plus(refresh));
    assert_eq!(valid_until(now, refresh, None), now.plus(refresh));
}
