use super::*;
use crate::api::reports::{MAX_REPORT_DATA, json_len};

fn heartbeat(parts: Vec<Component>) -> Heartbeat {
    Heartbeat {
        instance: "host-1".to_owned(),
        version: "0.1.0".to_owned(),
        interval_secs: 60,
        uptime_secs: 1,
        ready: false,
        parts,
        port: Some(8001),
        update: false,
        next_within_secs: None,
        measurements: Vec::new(),
        machine: None,
    }
}

fn size(heartbeat: &Heartbeat) -> usize {
    json_len(&serde_json::to_value(heartbeat).unwrap())
}

#[test]
fn long_detail_is_cut_and_short_detail_is_unchanged() {
    let parts = vec![Component::not_ready("a", "ü".repeat(5000)), Component::not_ready("b", "short")];
    let bounded = heartbeat(parts).bounded();
    let detail = bounded.parts[0].detail.as_ref().unwrap();
    assert!(detail.chars().count() == MAX_DETAIL && detail.ends_with('…'));
    assert_eq!(bounded.parts[1], Component::not_ready("b", "short"));
    assert_eq!(bounded.clone().bounded(), bounded);
}

#[test]
fn bounded_heartbeat_drops_ready_components_first() {
    for detail in ["", "x", &"x".repeat(2000), &"\u{1}".repeat(2000), &"\u{1f980}".repeat(2000)] {
        for name in ["n", &"\u{1f980}".repeat(200)] {
            let mut parts: Vec<_> = (0..200).map(|_| Component::ready(name)).collect();
            parts.extend((0..20).map(|_| Component::not_ready(name, detail)));
            let bounded = heartbeat(parts).bounded();
            assert!(size(&bounded) <= MAX_REPORT_DATA && bounded.parts.len() <= MAX_COMPONENTS);
            assert_eq!(bounded.parts.iter().filter(|component| !component.ready).count(), 20);
            assert!(!bounded.ready);
        }
    }
}

#[test]
fn reduced_heartbeat_loses_details_before_components() {
    let once = heartbeat(vec![Component::not_ready("a", "detail"), Component::ready("b")]).reduced().unwrap();
    assert!(once.parts.len() == 2 && once.parts.iter().all(|component| component.detail.is_none()));
    let twice = once.reduced().unwrap();
    assert!(twice.parts.is_empty() && !twice.ready);
    assert_eq!(twice.reduced(), None);
}

#[test]
fn only_required_components_that_are_not_ready_are_named() {
    let parts = vec![
        Component::not_ready("database", "sqlite: the disk is full"),
        Component::ready("price"),
        Component::not_ready("source:alpha", "no answer").optional(),
        Component { detail: None, ..Component::not_ready("clock", "") },
    ];
    assert_eq!(Component::fatal_reasons(&parts).join("; "), "database: sqlite: the disk is full; clock");
}

#[test]
fn reason_that_currencies_share_is_stated_once() {
    let [eur, gbp, usd] = [Currency::EUR, Currency::GBP, Currency::USD];
    assert_eq!(describe_refusals([(eur, "expired"), (gbp, "expired")]), "expired");
    let text = describe_refusals([(eur, "expired"), (gbp, "implausible"), (usd, "expired")]);
    assert_eq!(text, "EUR, USD: expired; GBP: implausible");
}

#[test]
fn detail_has_no_full_stop_at_its_end() {
    let detail = Component::not_ready("cache", "Redis is unavailable. Try again.").detail;
    assert_eq!(detail.as_deref(), Some("Redis is unavailable. Try again"));
}
