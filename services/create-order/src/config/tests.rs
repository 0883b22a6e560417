use super::*;

#[test]
fn price_max_age_is_unlimited_unless_set() {
    let price_max_age = |text: &str| {
        let tokens = [("INTERNAL_TOKEN", "0123456789abcdef"), ("OPERATOR_TOKEN", "0123456789abcdef")];
        let mut env = Env::from_pairs(tokens.into_iter().chain([("PRICE_MAX_AGE_SECS", text)]));
        let config = Config::from_env(&mut env);
        env.finish().map(|()| config.price_max_age).map_err(|error| error.to_string())
    };
    assert_eq!(price_max_age(""), Ok(None));
    assert_eq!(price_max_age("300"), Ok(Some(Duration::from_secs(300))));
    for invalid in ["0", "3601", "soon"] {
        assert!(price_max_age(invalid).unwrap_err().contains("PRICE_MAX_AGE_SECS"), "{invalid}");
    }
}
