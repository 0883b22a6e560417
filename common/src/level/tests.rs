use super::*;

#[test]
fn levels_are_parsed_in_any_case_and_ordered_by_severity() {
    for level in Level::ALL {
        assert_eq!(level.to_string().to_uppercase().parse(), Ok(level));
    }
    assert_eq!("warn".parse(), Ok(Level::Warning));
    assert_eq!("fatal".parse::<Level>(), Err(LevelError));
    assert!(Level::Critical < Level::Debug);
}
