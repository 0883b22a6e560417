//! Settings that change while the service runs.

use super::*;

#[tokio::test(start_paused = true)]
async fn sources_and_currencies_change_while_the_service_runs() {
    let upstreams = FakeUpstreams::new();
    let instance = upstreams.start_instance("coinbase", "EUR");
    sleep(20 * SECOND).await;
    assert_eq!(upstreams.fresh_currencies(), "EUR");
    instance.updater.apply(&config_of("coinbase,blockchain_info", "CHF,EUR", &[]));
    sleep(40 * SECOND).await;
    assert_eq!(upstreams.fresh_currencies(), "CHF EUR");
    instance.updater.apply(&config_of("blockchain_info", "CHF", &[]));
    sleep(40 * SECOND).await;
    assert_eq!(upstreams.fresh_currencies(), "CHF");
    assert_eq!(instance.updater.active_sources().names(), ["blockchain_info"]);
}

#[tokio::test(start_paused = true)]
async fn sources_that_the_api_selected_stay_until_the_setting_of_sources_changes() {
    let upstreams = FakeUpstreams::new();
    let instance = upstreams.start_instance("coinbase,blockchain_info", "EUR");
    instance.updater.active_sources().select(&["coinbase".to_owned()]).unwrap();
    instance.updater.apply(&config_of("coinbase,blockchain_info", "EUR", &[("MIN_SOURCES", "1")]));
    assert_eq!(instance.updater.active_sources().names(), ["coinbase"]);
    instance.updater.apply(&config_of("blockchain_info,coinbase", "EUR", &[("MIN_SOURCES", "1")]));
    assert_eq!(instance.updater.active_sources().names(), ["blockchain_info", "coinbase"]);
}

#[tokio::test(start_paused = true)]
async fn changed_min_sources_applies_from_the_next_poll_on() {
    let upstreams = FakeUpstreams::new();
    let instance = upstreams.start_instance("coinbase,blockchain_info", "EUR");
    sleep(20 * SECOND).await;
    assert_eq!(upstreams.fresh_currencies(), "EUR");
    // One exchange and one index report prices in euros. They do not vote together, so no two sources agree.
    instance.updater.apply(&config_of("coinbase,blockchain_info", "EUR", &[("MIN_SOURCES", "2")]));
    sleep(2 * MINUTE).await;
    assert_eq!(upstreams.fresh_currencies(), "");
    instance.updater.apply(&config_of("coinbase,blockchain_info", "EUR", &[]));
    sleep(20 * SECOND).await;
    assert_eq!(upstreams.fresh_currencies(), "EUR");
}
