use super::*;
use crate::tests::Sim;

const PATH: &str = "/ecb/stats/eurofxref/eurofxref-daily.xml";

#[tokio::test(start_paused = true)]
async fn newest_fixing_has_every_currency_but_the_rouble() {
    // A Sunday.
    let sim = Sim::starting_at("2026-01-04T12:00:00Z");
    let (status, xml) = sim.get(PATH).await;
    assert_eq!((status, xml.matches("<Cube").count()), (200, CURRENCIES.len() + 2));
    assert!(xml.contains("<Cube time='2026-01-02'>") && xml.contains("<Cube currency='USD' rate='1.08"), "{xml}");
    assert!(!xml.contains("RUB") && !xml.contains("EUR'"), "{xml}");
    sim.advance(26 * 3_600).await;
    assert_eq!(sim.get(PATH).await.1, xml);
    sim.advance(2 * 3_600).await;
    assert!(sim.get(PATH).await.1.contains("<Cube time='2026-01-05'>"));
}

#[tokio::test(start_paused = true)]
async fn faults_make_the_fixing_older_and_remove_rows() {
    let sim = Sim::starting_at("2026-01-09T16:00:00Z");
    sim.start_fault(NAME, r#"{"fault":"old_fixing","days":5}"#);
    assert!(sim.get(PATH).await.1.contains("<Cube time='2026-01-02'>"));
    sim.start_fault(NAME, r#"{"fault":"unlisted","direction":"EUR-USD"}"#);
    assert!(!sim.get(PATH).await.1.contains("USD"));
    sim.start_fault(NAME, r#"{"fault":"odd_times"}"#);
    assert!(sim.get(PATH).await.1.contains("<Cube>\n\t\t\t<Cube currency"));
    sim.start_fault(NAME, r#"{"fault":"frozen","seconds":86400}"#);
    sim.advance(86_399).await;
    assert!(sim.get(PATH).await.1.contains("<Cube time='2026-01-09'>"));
}
