use super::*;
use crate::tests::Sim;

const PATH: &str = "/cbr/scripts/XML_daily.asp";

async fn xml(sim: &Sim, path: &str) -> String {
    let (bytes, charset) = sim.bytes(path).await;
    assert!(std::str::from_utf8(&bytes).is_err() && charset.ends_with("windows-1251"));
    encoding_rs::WINDOWS_1251.decode(&bytes).0.into_owned()
}

#[tokio::test(start_paused = true)]
async fn numbers_have_decimal_commas_and_the_date_is_the_day_after_the_fixing() {
    let sim = Sim::starting_at("2026-01-23T16:00:00Z");
    let xml = xml(&sim, PATH).await;
    assert!(xml.contains("<ValCurs Date=\"24.01.2026\" name=\"Foreign Currency Market\">"), "{xml}");
    assert_eq!(xml.matches("<Valute ").count(), CURRENCIES.len());
    let row = |code: &str| xml.split("<Valute ").find(|row| row.contains(&format!("<CharCode>{code}<"))).unwrap();
    let dollar = row("USD");
    assert!(dollar.contains("<Nominal>1</Nominal><Name>Доллар США</Name><Value>8"), "{dollar}");
    assert_eq!(dollar.split("<Value>").nth(1).unwrap().split('<').next().unwrap().len(), "81,0000".len());
    for (code, nominal) in [("JPY", 100), ("VND", 10_000), ("KRW", 1_000), ("EUR", 1)] {
        assert!(row(code).contains(&format!("<Nominal>{nominal}</Nominal>")), "{}", row(code));
    }
    // The rates of Saturday stay until Monday.
    sim.advance(2 * 86_400).await;
    assert_eq!(super::tests::xml(&sim, PATH).await, xml);
    assert!(super::tests::xml(&sim, &format!("{PATH}?date_req=22/01/2026")).await.contains("22.01.2026"));
}

#[tokio::test(start_paused = true)]
async fn unlisted_currency_is_missing() {
    let sim = Sim::new();
    sim.start_fault(NAME, r#"{"fault":"unlisted","direction":"USD-RUB"}"#);
    let xml = xml(&sim, PATH).await;
    assert!(!xml.contains("USD") && xml.contains("EUR"));
}
