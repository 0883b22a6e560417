use super::*;

#[test]
fn a_prolonged_price_is_taken_as_long_as_it_is_valid_unless_something_is_set() {
    let read = |text: &str| {
        let mut env = Env::from_pairs([("INTERNAL_TOKEN", "0123456789abcdef"), ("PRICE_MAX_AGE_SECS", text)]);
        let config = Config::read(&mut env);
        env.finish().map(|()| config.price_max_age).map_err(|error| error.to_string())
    };
    assert_eq!(read(""), Ok(None));
    assert_eq!(read("300"), Ok(Some(Duration::from_secs(300))));
    for wrong in ["0", "3601", "soon"] {
        assert!(read(wrong).unwrap_err().contains("PRICE_MAX_AGE_SECS"), "{wrong}");
    }
}
