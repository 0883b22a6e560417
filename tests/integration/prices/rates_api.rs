//! The API of the service `rates`: courses, prices, conversions, history and the stream. A *course* is the last price
//! of one pair at one exchange. The API calls the pair `direction` and the exchange `exchanger`.

use std::time::Duration;

use common::{
    api::courses::{AgreedPrice, Course, CourseKind, MarketSnapshot, Method, NewCourses, SourcePairs},
    clients::{db_proxy::DbProxyClient, price_cache::PriceCacheClient},
    time::Timestamp,
};
use serde_json::{Value, json};
use tests::{Platform, Response, Stack, client::send, on_both_stacks, wait_until};

on_both_stacks!(
    courses_are_grouped_by_exchange_and_filtered,
    unchanged_courses_return_304,
    price_is_returned_with_votes_until_it_expires,
    amount_is_converted_exactly,
    stream_sends_changes,
    history_is_paged_and_charted,
    history_filters_accept_lists_of_known_names,
    cold_start_returns_stored_courses,
    exchange_courses_reach_the_api_end_to_end,
);

const LIMIT: Duration = Duration::from_secs(10);

fn course(exchanger: &str, direction: &str, value: &str) -> Course {
    Course {
        exchanger: exchanger.to_owned(),
        direction: direction.parse().unwrap(),
        kind: CourseKind::Trade,
        value: value.parse().unwrap(),
        bid: None,
        ask: None,
        observed_at: Timestamp::now(),
        simulated: true,
    }
}

fn price(direction: &str, price: &str, as_of: Timestamp) -> AgreedPrice {
    AgreedPrice {
        direction: direction.parse().unwrap(),
        method: Method::Median,
        price: Some(price.parse().unwrap()),
        refused: None,
        bid: None,
        ask: None,
        low: None,
        high: None,
        as_of: Some(as_of),
        state: None,
        expires_at: None,
        prolongable_until: None,
        age_secs: None,
        simulated: true,
        votes: Vec::new(),
        legs: Vec::new(),
        official_day: None,
    }
}

async fn put_snapshot(platform: &Platform, courses: Vec<Course>, prices: Vec<AgreedPrice>) -> MarketSnapshot {
    // A bank that reports nothing at the moment.
    let bank = SourcePairs { exchanger: "cbr".to_owned(), directions: vec!["USD-RUB".parse().unwrap()] };
    let (as_of, official, sources) = (Timestamp::now(), vec![], vec![bank]);
    let snapshot = MarketSnapshot { as_of, simulated: true, courses, prices, official, sources };
    let cache = PriceCacheClient(platform.internal_client(PriceCacheClient::SERVICE, &platform.price_cache));
    cache.put_market_snapshot(&snapshot).await.unwrap();
    snapshot
}

async fn store_courses(platform: &Platform, courses: Vec<Course>) {
    let db_proxy = DbProxyClient(platform.internal_client(DbProxyClient::SERVICE, &platform.db_proxy));
    db_proxy.write_courses(&NewCourses { courses }).await.unwrap();
}

async fn get(platform: &Platform, path: &str) -> Response {
    platform.client.get(platform.rates.url(path)).await
}

async fn start_with(stack: Stack, courses: Vec<Course>, prices: Vec<AgreedPrice>) -> Platform {
    let platform = Platform::start(stack).await;
    platform.rates.start().await;
    put_snapshot(&platform, courses, prices).await;
    platform.rates.wait_until_ready().await;
    platform
}

async fn courses_are_grouped_by_exchange_and_filtered(stack: Stack) {
    let kraken = Course { bid: Some("84000".parse().unwrap()), ..course("kraken", "BTC-EUR", "84000.12") };
    let observed_at = kraken.observed_at.to_string();
    let courses = vec![kraken, course("binance", "ETH-USDT", "3000"), course("binance", "BTC-USDT", "91000.5")];
    let platform = start_with(stack, courses, vec![]).await;
    let all = get(&platform, "/api/v1/courses").await.json(200);
    let names: Vec<_> = all.as_array().unwrap().iter().map(|group| group["exchanger"].as_str().unwrap()).collect();
    assert_eq!(names, ["binance", "kraken"]);
    let course = json!({ "direction": "BTC-EUR", "value": "84000.12", "kind": "trade", "bid": "84000.00",
                         "observed_at": observed_at, "simulated": true });
    assert_eq!(all[1]["courses"], json!([course]));
    let directions = async |query: &str| -> Vec<String> {
        let groups = get(&platform, &format!("/api/v1/courses?{query}")).await.json(200);
        let courses = groups.as_array().unwrap().iter().flat_map(|group| group["courses"].as_array().unwrap());
        courses.map(|course| course["direction"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(directions("exchangers=Kraken").await, ["BTC-EUR"]);
    assert_eq!(directions("exchangers=kraken,binance&coins_from=btc").await, ["BTC-USDT", "BTC-EUR"]);
    assert_eq!(directions("exchangers=binance,kraken&coins_from=ETH,BTC&coins_to=EUR").await, ["BTC-EUR"]);
    assert_eq!(directions("exchangers=kraken&coins_from=ETH").await, [""; 0]);
    get(&platform, "/api/v1/courses?exchangers=kraken,mtgox&coins_to=%E2%82%AC")
        .await
        .invalid_fields(&["exchangers", "coins_to"]);
    get(&platform, "/api/v1/courses/stream?coins_from=DOGE").await.invalid_fields(&["coins_from"]);
}

async fn unchanged_courses_return_304(stack: Stack) {
    let platform = start_with(stack, vec![course("kraken", "BTC-EUR", "84000.12")], vec![]).await;
    let first = get(&platform, "/api/v1/courses").await;
    assert_eq!(first.header("cache-control"), Some("public, max-age=5"));
    let etag = first.header("etag").unwrap().to_owned();
    let again = async || {
        let request = platform.client.request("GET", platform.rates.url("/api/v1/courses"));
        send(request.header("if-none-match", &etag)).await
    };
    let unchanged = again().await;
    assert_eq!((unchanged.status, unchanged.header("etag"), unchanged.body.len()), (304, Some(etag.as_str()), 0));
    put_snapshot(&platform, vec![course("kraken", "BTC-EUR", "84000.13")], vec![]).await;
    let changed = wait_until("the new course is returned", LIMIT, async || {
        Some(again().await).filter(|response| response.status == 200)
    })
    .await;
    assert_eq!(changed.json(200)[0]["courses"][0]["value"], "84000.13");
}

async fn price_is_returned_with_votes_until_it_expires(stack: Stack) {
    let now = Timestamp::now();
    let refused = AgreedPrice {
        price: None,
        as_of: None,
        refused: Some("1 of 2 exchanges reported a price".to_owned()),
        ..price("BTC-GBP", "1", now)
    };
    // This price expires in four seconds, one minute after it was observed.
    let old = price("ETH-USD", "3000", now.minus(Duration::from_secs(56)));
    let prices = vec![price("BTC-USD", "91000.5", now), refused, old];
    let platform = start_with(stack, vec![course("kraken", "BTC-CHF", "80000")], prices).await;
    let shown = get(&platform, "/api/v1/price?direction=btc-usd").await.json(200);
    assert_eq!(
        (&shown["price"], &shown["method"], &shown["simulated"]),
        (&"91000.50".into(), &"median".into(), &true.into())
    );
    assert!(shown["votes"].is_array() && shown["as_of"] == now.to_string());
    // An unknown asset is an invalid parameter. A pair that has a course but no agreed price is not found.
    get(&platform, "/api/v1/price?direction=BTC-XYZ").await.invalid_fields(&["direction"]);
    get(&platform, "/api/v1/price?direction=BTC-CHF").await.problem(404, "not_found");
    get(&platform, "/api/v1/price?direction=BTC").await.invalid_fields(&["direction"]);
    get(&platform, "/api/v1/price").await.invalid_fields(&["direction"]);
    let problem = get(&platform, "/api/v1/price?direction=BTC-GBP").await.problem(503, "price_unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("1 of 2 exchanges"), "{problem}");
    let expired = wait_until("the price expires", LIMIT, async || {
        let response = get(&platform, "/api/v1/price?direction=ETH-USD").await;
        (response.status != 200).then_some(response)
    });
    expired.await.problem(503, "price_unavailable");
    get(&platform, "/api/v1/convert?from=ETH&to=USD&amount=1").await.problem(503, "price_unavailable");
}

async fn amount_is_converted_exactly(stack: Stack) {
    let now = Timestamp::now();
    let prices = vec![price("BTC-EUR", "84000.12", now), price("BTC-USD", "91000.5", now)];
    let platform = start_with(stack, vec![], prices).await;
    let convert = async |query: &str| get(&platform, &format!("/api/v1/convert?{query}")).await;
    let direct = convert("from=BTC&to=EUR&amount=1.5").await.json(200);
    assert_eq!(
        (&direct["result"], &direct["path"], &direct["rounding"]),
        (&"126000.18".into(), &"direct".into(), &"half_even".into())
    );
    assert_eq!((&direct["as_of"], &direct["simulated"]), (&now.to_string().into(), &true.into()));
    let inverse = convert("from=eur&to=btc&amount=69").await.json(200);
    assert_eq!((&inverse["result"], &inverse["path"]), (&"0.00082143".into(), &"inverse".into()));
    let cross = convert("from=EUR&to=USD&amount=84000.12").await.json(200);
    assert_eq!((&cross["result"], &cross["path"]), (&"91000.50".into(), &"cross".into()));
    assert_eq!(cross["steps"].as_array().unwrap().len(), 2);
    assert_eq!((&direct["steps"][0]["kind"], &direct["state"]), (&"agreed".into(), &"fresh".into()));
    convert("from=EUR&to=XYZ&amount=-1").await.invalid_fields(&["to", "amount"]);
    let detail = "There is no price of RUB at the moment, because no price source reports one.";
    for path in ["/api/v1/convert?from=BTC&to=RUB&amount=1", "/api/v1/price?direction=BTC-RUB"] {
        let missing = get(&platform, path).await;
        assert!(missing.header("retry-after").is_some(), "{path}");
        assert_eq!(missing.problem(503, "price_unavailable")["detail"], detail);
    }
    convert("from=EUR&to=EUR&amount=1").await.invalid_fields(&["to"]);
    convert("from=EUR&to=USD").await.invalid_fields(&["amount"]);
}

/// Reads a stream until an event satisfies the predicate on its name and data, and returns the data.
async fn wait_for_event(
    response: &mut reqwest::Response,
    text: &mut String,
    matches: impl Fn(&str, &Value) -> bool,
) -> Value {
    loop {
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                let data = serde_json::from_str(&data).unwrap();
                if matches(&name, &data) {
                    return data;
                }
            }
        }
        let chunk = tokio::time::timeout(LIMIT, response.chunk()).await.expect("an event arrives within the limit");
        text.push_str(std::str::from_utf8(&chunk.unwrap().expect("the stream stays open")).unwrap());
    }
}

async fn stream_sends_changes(stack: Stack) {
    let courses = vec![course("kraken", "BTC-EUR", "84000"), course("okx", "BTC-USDT", "91000")];
    let platform = start_with(stack, courses, vec![]).await;
    let request = platform.client.request("GET", platform.rates.url("/api/v1/courses/stream"));
    let mut response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    let all = wait_for_event(&mut response, &mut text, |name, _| name == "courses").await;
    assert_eq!(all["courses"].as_array().unwrap().len(), 2);
    let courses = vec![course("kraken", "BTC-EUR", "84001"), course("okx", "BTC-USDT", "91000")];
    put_snapshot(&platform, courses, vec![price("BTC-EUR", "84001", Timestamp::now())]).await;
    let change = wait_for_event(&mut response, &mut text, |name, _| name == "changes").await;
    assert_eq!(change["courses"].as_array().unwrap().len(), 1, "{change}");
    assert_eq!(change["courses"][0]["courses"][0]["value"], "84001.00");
    assert_eq!(change["prices"][0]["price"], "84001.00");
    // An open stream does not delay the shutdown.
    platform.rates.stop().await;
}

async fn history_is_paged_and_charted(stack: Stack) {
    let platform = start_with(stack, vec![course("kraken", "BTC-EUR", "84000")], vec![]).await;
    for value in ["84000", "84001", "84002"] {
        store_courses(&platform, vec![course("kraken", "BTC-EUR", value)]).await;
    }
    let (mut seen, mut next) =
        (Vec::new(), Some("/api/v1/courses/history?direction=BTC-EUR&exchangers=kraken&limit=2".to_owned()));
    while let Some(path) = next {
        let page = get(&platform, &path).await.json(200);
        let courses = page["courses"].as_array().unwrap();
        assert!(courses.len() <= 2);
        seen.extend(courses.iter().map(|course| course["value"].as_str().unwrap().to_owned()));
        next = page["_links"]["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, ["84000.00", "84001.00", "84002.00"]);
    get(&platform, "/api/v1/courses/history?resolution=2m&cursor=x").await.invalid_fields(&["resolution", "cursor"]);
    get(&platform, "/api/v1/courses/history?limit=0").await.invalid_fields(&["limit"]);
    let chart = get(&platform, "/api/v1/price/chart.svg?direction=BTC-EUR&hours=1").await;
    assert_eq!((chart.status, chart.header("content-type")), (200, Some("image/svg+xml")));
    assert!(
        chart.text().contains("BTC-EUR") && chart.text().contains("SIMULATED") && !chart.text().contains("no data yet")
    );
    // In both paths, an unknown asset is invalid, and the inverse of a known pair is not found.
    for path in ["/api/v1/price/chart.svg", "/api/v1/price"] {
        get(&platform, &format!("{path}?direction=BTC-XYZ")).await.invalid_fields(&["direction"]);
        get(&platform, &format!("{path}?direction=EUR-BTC")).await.problem(404, "not_found");
    }
    get(&platform, "/api/v1/price/chart.svg?direction=BTC-XYZ&hours=169").await.invalid_fields(&["direction", "hours"]);
    get(&platform, "/api/v1/price/chart.svg?direction=BTC-EUR&hours=169").await.invalid_fields(&["hours"]);
}

async fn history_filters_accept_lists_of_known_names(stack: Stack) {
    let courses = vec![course("kraken", "BTC-EUR", "84000"), course("okx", "BTC-USDT", "91000")];
    let platform = start_with(stack, courses.clone(), vec![]).await;
    store_courses(&platform, courses).await;
    // An exchange that is no longer polled.
    store_courses(&platform, vec![course("mtgox", "BTC-JPY", "1")]).await;
    let history = async |query: &str| get(&platform, &format!("/api/v1/courses/history?{query}")).await;
    let exchangers = async |query: &str| -> Vec<String> {
        let page = history(query).await.json(200);
        let courses = page["courses"].as_array().unwrap().iter();
        courses.map(|course| course["exchanger"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(exchangers("exchangers=okx,Kraken").await.len(), 2);
    assert_eq!(exchangers("exchangers=mtgox").await, ["mtgox"]);
    // `exchanger` is the earlier name of `exchangers`.
    assert_eq!(exchangers("exchanger=kraken").await, ["kraken"]);
    assert_eq!(exchangers("").await.len(), 3);
    assert_eq!(exchangers("exchangers=okx&direction=BTC-EUR").await, [""; 0]);
    let early = "from=2020-01-01T00:00:00Z&to=2020-01-01T00:00:00Z";
    assert_eq!(exchangers(early).await, [""; 0]);
    let invalid =
        history("exchangers=kraken,bitmex&direction=BTC-XYZ&from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z").await;
    invalid.invalid_fields(&["exchangers", "direction", "from"]);
    assert!(invalid.text().contains("kraken, mtgox, okx"), "{}", invalid.text());
    history("exchangers=kraken&exchanger=okx").await.invalid_fields(&["exchanger"]);
    history("exchanger=a%20b").await.invalid_fields(&["exchanger"]);
}

async fn cold_start_returns_stored_courses(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.rates.start().await;
    get(&platform, "/api/v1/courses").await.problem(503, "price_unavailable");
    store_courses(&platform, vec![course("kraken", "BTC-EUR", "84000")]).await;
    platform.rates.wait_until_ready().await;
    let courses = get(&platform, "/api/v1/courses").await.json(200);
    assert_eq!(courses[0]["courses"][0]["value"], "84000.00");
    // Prices come from market snapshots, never from stored courses.
    get(&platform, "/api/v1/price?direction=BTC-EUR").await.problem(503, "price_unavailable");
    put_snapshot(&platform, vec![course("okx", "BTC-USDT", "91000")], vec![]).await;
    wait_until("the courses of the snapshot are returned", LIMIT, async || {
        let courses = get(&platform, "/api/v1/courses").await.json(200);
        (courses[0]["exchanger"] == "okx").then_some(())
    })
    .await;
}

/// The test supplies no data. The data flows from the simulated exchanges through price-updater, the cache and the
/// database to the service `rates`.
async fn exchange_courses_reach_the_api_end_to_end(stack: Stack) {
    let builder = Platform::builder(stack).without_prices().set("PRICE_REFRESH_SECS", "1").set("PRICE_TTL_SECS", "8");
    let platform = builder.start().await;
    platform.start_other_services().await;
    let courses = wait_until("courses of kraken are returned", LIMIT, async || {
        let response = get(&platform, "/api/v1/courses?coins_from=BTC&coins_to=EUR").await;
        (response.status == 200).then(|| response.json(200)).filter(|courses| courses.to_string().contains("kraken"))
    });
    let courses = courses.await;
    assert!(courses.as_array().unwrap().iter().all(|group| group["courses"][0]["simulated"] == true), "{courses}");
    let price = wait_until("a price is returned", LIMIT, async || {
        let response = get(&platform, "/api/v1/price?direction=BTC-EUR").await;
        (response.status == 200).then(|| response.json(200))
    });
    let price = price.await;
    let votes = price["votes"].as_array().unwrap();
    let used = votes.iter().filter(|vote| vote["used"] == true).count();
    assert!(used >= 2 && votes.iter().all(|vote| vote["used"] == true || vote["rejected"].is_string()), "{price}");
    let converted = get(&platform, "/api/v1/convert?from=BTC&to=EUR&amount=2").await.json(200);
    assert_eq!((&converted["path"], &converted["simulated"]), (&"direct".into(), &true.into()));
    let request = platform.client.request("GET", platform.rates.url("/api/v1/courses/stream?coins_from=BTC"));
    let mut response = request.send().await.unwrap();
    let change = wait_for_event(&mut response, &mut String::new(), |name, _| name == "changes").await;
    assert!(!change["courses"].as_array().unwrap().is_empty() || !change["prices"].as_array().unwrap().is_empty());
    wait_until("the history has two courses", LIMIT, async || {
        let path = "/api/v1/courses/history?direction=BTC-EUR&exchanger=kraken";
        let page = get(&platform, path).await.json(200);
        (page["courses"].as_array().unwrap().len() >= 2).then_some(())
    })
    .await;
    let chart = get(&platform, "/api/v1/price/chart.svg?direction=BTC-EUR&hours=1").await;
    assert!(chart.status == 200 && chart.text().contains("SIMULATED"));
}
