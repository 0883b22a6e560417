use super::*;

const ALLOWED: [Currency; 3] = [Currency::EUR, Currency::GBP, Currency::USD];

fn check(currency: Option<&str>, amount: Option<&str>) -> Result<ValidatedOrder, Vec<FieldError>> {
    let fields =
        OrderPayload { currency: currency.map(str::to_owned), amount: amount.map(DecimalText::from), quote: None };
    ValidatedOrder::from_payload(&fields, &ALLOWED)
}

#[test]
fn every_invalid_field_is_listed() {
    let names = |result: Result<_, Vec<FieldError>>| {
        result.map(|_: ValidatedOrder| ()).unwrap_err().into_iter().map(|e| e.field).collect::<Vec<_>>()
    };
    assert_eq!(names(check(None, None)), ["currency", "amount"]);
    assert_eq!(names(check(Some("EUR"), Some("0"))), ["amount"]);
    assert_eq!(names(check(Some("JPY"), Some("1"))), ["currency"]);
    assert_eq!(names(check(Some("EU"), Some("NaN"))), ["currency", "amount"]);
    assert!(check(Some("eur"), Some("0.1")).is_ok());
}

#[test]
fn quote_excludes_currency_and_amount() {
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    let check = |quote: &str, amount: Option<&str>| {
        let fields =
            OrderPayload { quote: Some(quote.to_owned()), amount: amount.map(DecimalText::from), currency: None };
        OrderSource::from_payload(&fields, &ALLOWED).map_err(|errors| errors[0].field.clone())
    };
    assert_eq!(check(id, None), Ok(OrderSource::Quoted(id.parse().unwrap())));
    assert_eq!(check(id, Some("1")), Err("amount".to_owned()));
    assert_eq!(check("7", None), Err("quote".to_owned()));
}

#[test]
fn only_canonical_cursors_are_parsed() {
    assert_eq!("o1f".parse::<Cursor>(), Ok(Cursor(31)));
    for bad in ["", "o", "1f", "o0", "o-1", "o+1f", "o01f", "o1F", "offffffffffffffffff"] {
        assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
    }
}
