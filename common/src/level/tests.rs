use super::*;

#[test]
fn levels_are_parsed_in_any_case() {
    for level in Level::ALL {
        assert_eq!(level.to_string().to_uppercase().parse(), Ok(level));
    }
    assert_eq!("warn".parse(), Ok(Level::Warning));
    assert_eq!("fatal".parse::<Level>(), Err(LevelError("fatal".to_owned())));
}

#[test]
fn levels_are_ordered_by_severity() {
    assert!(Level::ALL.is_sorted() && Level::Critical < Level::Debug);
}
