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

#[test]
fn misspelt_level_is_shown_with_the_level_that_is_probably_meant() {
    let names = "must be one of critical, error, warning, info, debug, but is";
    for (text, meant) in [("warm", "warning"), ("waring", "warning"), ("eror", "error")] {
        let error = text.parse::<Level>().unwrap_err().to_string();
        assert_eq!(error, format!("{names} {text:?} (did you mean {meant}?)"));
    }
    assert_eq!("fatal".parse::<Level>().unwrap_err().to_string(), format!("{names} \"fatal\""));
}
