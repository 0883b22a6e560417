use super::*;

const FRESH: Duration = Duration::from_secs(5);

fn usd() -> CurrencyPair {
    "BTC-USD".parse().unwrap()
}

fn book(keeps: Option<Duration>) -> Book {
    let mut book = Book::new([("BTC-USD".to_owned(), usd())].into(), keeps);
    book.begin(true);
    book
}

fn at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

fn told(last: &str, order: u64, trade: Option<u64>) -> Event {
    let side = DecimalText::from(last);
    let (symbol, book) = ("BTC-USD".to_owned(), Some((side.clone(), side.clone())));
    Event::Told(Told { symbol, last: Some(side), book, order: Some(Order::Number(order)), trade })
}

fn beat(order: u64, last_trade: u64) -> Event {
    Event::Beat(Some(Beat { symbol: "BTC-USD".to_owned(), order: Order::Number(order), last_trade }))
}

fn seen(book: &Book, now: Timestamp) -> Option<(String, Timestamp)> {
    let (tickers, _) = book.tickers(now, FRESH);
    tickers.get(&usd()).map(|ticker| (ticker.course().to_string(), ticker.observed_at))
}

#[test]
fn heartbeats_prove_what_was_told_and_silence_does_not() {
    let mut book = book(None);
    assert_eq!(book.take(&told("84000", 1, None), at(0)), Taken::News);
    assert_eq!(book.take(&Event::Beat(None), at(8)), Taken::Alive);
    assert_eq!(seen(&book, at(9)), Some(("84000.00".to_owned(), at(8))));
    assert_eq!(seen(&book, at(13)).unwrap().1, at(8));
    assert_eq!(seen(&book, at(14)), None);
    assert!(book.tickers(at(9), FRESH).1);
}

#[test]
fn what_is_old_or_twice_there_changes_nothing_and_proves_nothing() {
    let mut book = book(None);
    book.take(&told("84000", 5, None), at(0));
    for order in [5, 4] {
        assert_eq!(book.take(&told("1", order, None), at(3)), Taken::Old);
    }
    assert_eq!(seen(&book, at(3)), Some(("84000.00".to_owned(), at(0))));
    // A gap is no loss where not every number is sent.
    assert_eq!(book.take(&told("84001", 50, None), at(4)), Taken::News);
}

#[test]
fn a_new_connection_counts_anew_and_proves_only_what_it_told() {
    let mut book = book(None);
    book.take(&told("84000", 50, None), at(0));
    book.take(&Event::Beat(None), at(2));
    book.begin(true);
    book.take(&Event::Beat(None), at(4));
    assert_eq!(seen(&book, at(4)), Some(("84000.00".to_owned(), at(2))));
    assert_eq!(book.take(&told("84002", 1, None), at(5)), Taken::News);
    assert_eq!(seen(&book, at(5)), Some(("84002.00".to_owned(), at(5))));
}

#[test]
fn a_trade_that_was_never_told_is_noticed_at_the_second_heartbeat() {
    let mut book = book(Some(Duration::from_secs(30)));
    assert_eq!(book.take(&beat(1, 7), at(0)), Taken::Nothing);
    book.take(&told("84000", 2, Some(7)), at(1));
    assert_eq!(book.take(&beat(3, 7), at(2)), Taken::Alive);
    // Its ticker was only behind.
    assert_eq!(book.take(&beat(4, 8), at(3)), Taken::Nothing);
    assert_eq!(seen(&book, at(3)).unwrap().1, at(2));
    assert_eq!(book.take(&told("84001", 5, Some(8)), at(4)), Taken::News);
    assert_eq!(book.take(&beat(6, 9), at(5)), Taken::Nothing);
    assert_eq!(book.take(&beat(7, 9), at(6)), Taken::Missed);
}

#[test]
fn a_book_that_is_told_with_trades_alone_grows_old_under_its_heartbeats() {
    let mut book = book(Some(Duration::from_secs(30)));
    book.take(&told("84000", 1, Some(7)), at(0));
    for second in 1..=36 {
        assert_eq!(book.take(&beat(1 + second, 7), at(second)), Taken::Alive);
    }
    assert_eq!(seen(&book, at(35)).unwrap().1, at(30));
    assert_eq!(seen(&book, at(36)), None);
}

#[test]
fn a_book_that_makes_no_sense_is_no_quote() {
    let mut book = book(None);
    book.take(&told("84000", 1, None), at(0));
    let crossed = Told {
        symbol: "BTC-USD".to_owned(),
        last: None,
        book: Some(("84001".into(), "84000".into())),
        order: None,
        trade: None,
    };
    assert_eq!(book.take(&Event::Told(crossed), at(1)), Taken::News);
    assert_eq!(seen(&book, at(1)), None);
    assert_eq!(book.take(&told("84000", 2, None), at(2)), Taken::News);
    assert!(seen(&book, at(2)).is_some());
}

#[test]
fn pairs_that_nobody_asked_for_are_passed_over() {
    let mut book = book(None);
    let other = Told { symbol: "BTC-XYZ".to_owned(), last: None, book: None, order: None, trade: None };
    assert_eq!(book.take(&Event::Told(other), at(0)), Taken::Nothing);
}
