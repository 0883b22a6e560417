use super::*;

#[test]
fn price_note_states_how_long_the_last_price_is_used() {
    let note = |settings: &[(&str, &str)]| {
        let pairs = [("INTERNAL_TOKEN", "0123456789abcdef")].into_iter().chain(settings.iter().copied());
        price_note(&mut Env::from_pairs(pairs), false)
    };
    for (settings, age) in [
        (&[][..], "60 min"),
        (&[("PRICE_PROLONG_SECS", "600")], "10 min"),
        (&[("PRICE_MAX_AGE_SECS", "300")], "5 min"),
        (&[("PRICE_MAX_AGE_SECS", "3600"), ("PRICE_PROLONG_SECS", "120")], "2 min"),
        // A fresh price is used for its whole lifetime.
        (&[("PRICE_MAX_AGE_SECS", "10")], "60 s"),
    ] {
        let note = note(settings);
        assert!(note.contains(&format!("until it is {age} old. Then orders are refused.")), "{note}");
    }
}
