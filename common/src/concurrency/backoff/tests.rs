use super::*;

#[test]
fn waits_double_up_to_the_longest_and_never_end() {
    let millis = Duration::from_millis;
    let mut backoff = Backoff::new(millis(20), millis(50));
    for least in [20, 40].into_iter().chain(std::iter::repeat_n(50, 1000)).map(millis) {
        let wait = backoff.next_delay();
        assert!((least..=2 * least).contains(&wait), "{wait:?} for {least:?}");
    }
}
