use super::*;
use crate::snapshot::SnapshotOrigin;
use crate::tests::fixtures::{at, course, price, snapshot};

fn candle(exchanger: &str, minute: u64, close: &str) -> Candle {
    let rate = |text: &str| text.parse().unwrap();
    Candle {
        exchanger: exchanger.to_owned(),
        direction: "BTC-USD".parse().unwrap(),
        start: Timestamp::from_micros(at(minute * 60).micros() / 60_000_000 * 60_000_000).unwrap(),
        open: rate(close),
        high: rate(close),
        low: rate(close),
        close: rate(close),
        changes: 1,
        simulated: true,
    }
}

/// A day that goes up and down, of five exchanges of which the last lies.
fn day(minutes: u64) -> Vec<Candle> {
    let names = ["binance", "coinbase", "kraken", "okx", "liar"];
    let told = (0..minutes).flat_map(|minute| names.iter().enumerate().map(move |(n, name)| (minute, n, *name)));
    let candles = told.map(|(minute, n, name)| {
        let wave = (minute * 7919 % 97) + minute * 3 % 400 + minute * minute % 1009 / 9;
        let value = if name == "liar" { 36_400 } else { 91_000 + wave + u64::try_from(n).unwrap() * 9 };
        candle(name, minute, &format!("{value}.5"))
    });
    candles.collect()
}

fn picture(candles: &[Candle], hours: u32, now: u64) -> Chart {
    let series = fold(candles, at(now), hours, Duration::from_mins(1));
    let (direction, simulated) = ("BTC-USD".parse().unwrap(), series.simulated);
    Chart { direction, hours, now: at(now), agreed: Some("91234.5".parse().unwrap()), series, told: true, simulated }
}

/// Every element is closed and every text is where it should be; returns all text.
fn checked(svg: &str) -> String {
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

/// Writes the pictures to a folder, to be looked at.
fn show(name: &str, svg: &str) {
    if let Some(folder) = std::env::var_os("SHOW_CHARTS") {
        std::fs::write(std::path::Path::new(&folder).join(name), svg).unwrap();
    }
}

#[test]
fn a_chart_is_whole_xml_with_everything_named() {
    let svg = picture(&day(360), 6, 359 * 60).svg().unwrap();
    show("day.svg", &svg);
    let text = checked(&svg);
    for part in [
        "BTC-USD 91,234.50",
        "SIMULATED",
        "time (UTC), up to 2 Jan 2026, 09:03",
        "USD for 1 BTC",
        "Median of 5 exchanges",
        "last 6 hours",
        "91,200",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(svg.len() < 40_000, "{}", svg.len());
}

#[test]
fn an_empty_chart_says_so() {
    let mut empty = picture(&[], 6, 0);
    empty.agreed = None;
    let svg = empty.svg().unwrap();
    show("empty.svg", &svg);
    let text = checked(&svg);
    assert!(text.contains("no data yet") && text.contains("time (UTC)") && !text.contains("SIMULATED"), "{text}");
    empty.told = false;
    let text = checked(&empty.svg().unwrap());
    assert!(text.contains("no exchange tells of it") && !text.contains("no data yet"), "{text}");
}

#[test]
fn what_is_real_is_not_marked_and_one_point_is_drawn() {
    let real = Candle { simulated: false, ..candle("kraken", 5, "0.99981") };
    let svg = picture(&[real], 1, 5 * 60).svg().unwrap();
    show("point.svg", &svg);
    let text = checked(&svg);
    assert!(!text.contains("SIMULATED") && text.contains("One exchange"), "{text}");
    checked(&picture(&day(1440), 24, 1440 * 60).svg().unwrap());
}

#[test]
fn what_is_known_since_a_moment_ago_fills_the_picture() {
    let svg = picture(&day(20), 6, 19 * 60).svg().unwrap();
    show("start.svg", &svg);
    let text = checked(&svg);
    assert!(text.contains("the last 6 hours, known since 03:04 UTC") && text.contains("03:15"), "{text}");
    assert!(!checked(&picture(&day(200), 6, 199 * 60).svg().unwrap()).contains("known since"));
    // A single minute, too.
    let text = checked(&picture(&day(1), 6, 0).svg().unwrap());
    assert!(text.contains("known since 03:04 UTC") && text.contains("02:56"), "{text}");
}

#[test]
fn extreme_prices_are_drawn_too() {
    for value in ["0.00000001", "9999999999.99999999"] {
        let svg = picture(&[candle("kraken", 0, value), candle("kraken", 1, value)], 1, 60).svg().unwrap();
        show(&format!("extreme-{}.svg", value.len()), &svg);
        checked(&svg);
    }
}

#[test]
fn the_line_is_the_median_and_the_band_what_all_told() {
    let candles = [candle("a1", 0, "100"), candle("b1", 0, "103"), candle("c1", 0, "102"), candle("a1", 1, "101")];
    let series = fold(&candles, at(60), 1, Duration::from_mins(1));
    let units = |n: i64| n * 100_000_000;
    let told: Vec<_> = series.points().map(|point| (point.low, point.median, point.high)).collect();
    // Who told nothing new still stands by what was told.
    assert_eq!(told, [(units(100), units(102), units(103)), (units(101), units(102), units(103))]);
    assert_eq!((series.exchangers, series.simulated), (3, true));
}

#[test]
fn a_liar_is_left_out_of_the_band() {
    let candles = [candle("a1", 0, "100"), candle("b1", 0, "40"), candle("c1", 0, "103"), candle("d1", 0, "104")];
    let series = fold(&candles, at(0), 1, Duration::from_mins(1));
    let told: Vec<_> = series.points().map(|point| (point.low, point.median, point.high)).collect();
    assert_eq!(told, [(10_000_000_000, 10_150_000_000, 10_400_000_000)]);
}

#[test]
fn who_is_gone_does_not_speak_for_ever() {
    let candles = [candle("a1", 0, "10"), candle("a1", 30, "11")];
    let series = fold(&candles, at(31 * 60), 1, Duration::from_mins(1));
    assert_eq!(series.pieces.iter().map(Vec::len).collect::<Vec<_>>(), [11, 2]);
}

#[test]
fn a_week_has_no_more_points_than_are_seen() {
    let series = fold(&day(1440), at(1440 * 60), 24, Duration::from_mins(1));
    assert!((300..=401).contains(&series.points().count()), "{}", series.points().count());
}

#[test]
fn only_like_is_compared_with_like() {
    let index = common::api::courses::Course { kind: CourseKind::Index, ..course("liar", "BTC-USD", "1") };
    let courses = vec![course("kraken", "BTC-USD", "1"), index];
    let view = MarketSnapshotView::new(
        snapshot(at(0), courses, vec![price("BTC-USD", "1")]),
        SnapshotOrigin::PriceCacheClient,
        None,
    );
    let direction = "BTC-USD".parse().unwrap();
    assert!(live(day(1), Some(&view), direction).iter().all(|candle| candle.exchanger != "liar"));
    assert_eq!(live(day(1), None, direction).len(), 5);
}
