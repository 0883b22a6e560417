use super::*;

#[test]
fn base_delay_doubles_up_to_the_maximum_and_delays_never_end() {
    let millis = Duration::from_millis;
    let mut backoff = Backoff::new(millis(20), millis(50));
    for base in [20, 40].into_iter().chain(std::iter::repeat_n(50, 1000)).map(millis) {
        let delay = backoff.next_delay();
        assert!((base..=2 * base).contains(&delay), "{delay:?} for {base:?}");
    }
}
