use super::*;
use crate::metrics::Metrics;

#[test]
fn sum_of_many_small_amounts_is_exact() {
    let sum = ExactCounter::<4>::default();
    // As floats, these amounts add up to 100000.00000133…
    for _ in 0..1_000_000 {
        sum.inc_by(Units(1_000));
    }
    assert_eq!(sum.get(), Units(1_000_000_000));
    let remaining = ExactGauge::<8>::default();
    remaining.set(Units(9_999_999_999));
    let metrics = Metrics::new("test");
    metrics.register("amount", "A sum", sum);
    metrics.register("remaining", "An amount", remaining);
    let text = metrics.encode();
    assert!(text.contains("buydesk_amount_total{service=\"test\"} 100000.0\n"), "{text}");
    assert!(text.contains("buydesk_remaining{service=\"test\"} 99.99999999\n"), "{text}");
}
