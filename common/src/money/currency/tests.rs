use super::*;

#[test]
fn codes_are_parsed_in_any_case_and_displayed_in_upper_case() {
    for text in ["eur", "EUR", "eUr"] {
        assert_eq!(text.parse::<Currency>().unwrap(), Currency::EUR);
    }
    assert_eq!(Currency::EUR.to_string(), "EUR");
    assert_eq!(format!("{:?}", Currency::EUR), "EUR");
}

#[test]
fn text_other_than_three_letters_is_rejected() {
    for text in ["", "E", "EU", "EURO", "E R", "EU1", "€", "ÉUR", "\0\0\0"] {
        assert_eq!(text.parse::<Currency>(), Err(CurrencyError), "{text:?}");
    }
}
