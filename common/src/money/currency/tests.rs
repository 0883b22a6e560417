use super::*;

#[test]
fn any_case_is_read_and_upper_case_is_shown() {
    for text in ["eur", "EUR", "eUr"] {
        assert_eq!(text.parse::<Currency>().unwrap(), Currency::EUR);
    }
    assert_eq!(Currency::EUR.to_string(), "EUR");
}

#[test]
fn anything_but_three_letters_is_refused() {
    for text in ["", "E", "EU", "EURO", "E R", "EU1", "€", "ÉUR", "\0\0\0"] {
        assert_eq!(text.parse::<Currency>(), Err(CurrencyError), "{text:?}");
    }
}
