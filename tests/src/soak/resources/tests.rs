use super::{MEMORY_MARGIN_KIB, Sample, growth};

const START_KIB: u64 = 30_000;

fn samples(resident_kib: impl Fn(u64) -> u64, descriptors: impl Fn(u64) -> u64) -> Vec<Sample> {
    let sample = |n| Sample { resident_kib: resident_kib(n), descriptors: descriptors(n) };
    (0..180).map(sample).collect()
}

#[test]
fn flat_process_has_no_violation() {
    let noise = |n: u64| START_KIB + n * 7_919 % 1_000;
    assert_eq!(growth(&samples(noise, |n| 60 + n % 5), 0), None);
}

#[test]
fn growth_of_the_first_quarter_is_allowed() {
    let warm_up = |n: u64| if n < 45 { n * 1_000 } else { 45_000 };
    assert_eq!(growth(&samples(warm_up, |n| n.min(45)), 0), None);
}

#[test]
fn slow_leak_of_memory_is_a_violation() {
    // The quarters are 90 samples apart.
    let leak = |per_sample: u64| move |n: u64| START_KIB + n * per_sample;
    let found = growth(&samples(leak(MEMORY_MARGIN_KIB / 90 + 1), |_| 60), 0);
    assert!(found.is_some_and(|text| text.starts_with("MEMORY GROWS")));
    assert_eq!(growth(&samples(leak(MEMORY_MARGIN_KIB / 90 - 1), |_| 60), 0), None);
}

#[test]
fn bounded_caches_may_fill() {
    let filling = |n: u64| START_KIB + n * 100;
    assert!(growth(&samples(filling, |_| 60), 0).is_some());
    assert_eq!(growth(&samples(filling, |_| 60), 8_192), None);
}

#[test]
fn leak_of_descriptors_is_a_violation() {
    let found = growth(&samples(|_| START_KIB, |n| 60 + n / 8), 0);
    assert!(found.is_some_and(|text| text.starts_with("FILE DESCRIPTORS GROW")));
}

#[test]
fn run_without_enough_samples_is_a_violation() {
    let few = &samples(|_| START_KIB, |_| 60)[..7];
    assert!(growth(few, 0).is_some_and(|text| text.starts_with("TOO SHORT")));
}
