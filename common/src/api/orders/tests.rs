use super::*;
use crate::api::cursor::CursorError;

const ALLOWED: [Currency; 3] = [Currency::EUR, Currency::GBP, Currency::USD];

fn check(currency: Option<&str>, amount: Option<&str>) -> Result<ValidatedOrder, Vec<FieldError>> {
    let currency = currency.map(str::to_owned);
    let fields = OrderPayload { currency, amount: amount.map(DecimalText::from), ..OrderPayload::default() };
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
fn request_with_a_quote_must_not_have_an_amount() {
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    let check = |quote: &str, amount: Option<&str>| {
        let quote = Some(quote.to_owned());
        let fields = OrderPayload { quote, amount: amount.map(DecimalText::from), ..OrderPayload::default() };
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

#[test]
fn request_must_name_exactly_one_amount() {
    let parse = |amount: Option<&str>, bitcoin: Option<&str>| {
        let (amount, bitcoin) = (amount.map(DecimalText::from), bitcoin.map(BitcoinText::from));
        let names = |errors: Vec<FieldError>| errors.into_iter().map(|error| error.field).collect::<Vec<_>>().join(" ");
        OrderedAmount::parse(amount.as_ref(), bitcoin.as_ref()).map_err(names)
    };
    assert_eq!(parse(Some("69"), None), Ok(OrderedAmount::Fiat("69".parse().unwrap())));
    assert_eq!(parse(None, Some("0.001")), Ok(OrderedAmount::Bitcoin("0.001".parse().unwrap())));
    for invalid in ["0", "-1", "0.000000001", "21000000.1", "x"] {
        assert_eq!(parse(None, Some(invalid)), Err("bitcoin_amount".to_owned()), "{invalid}");
    }
    assert_eq!(parse(Some("69"), Some("0.001")), Err("bitcoin_amount".to_owned()));
    assert_eq!(parse(None, None), Err("amount".to_owned()));
    let missing = || {
        let payload = OrderPayload { currency: Some("EUR".to_owned()), ..OrderPayload::default() };
        OrderSource::from_payload(&payload, &[Currency::EUR]).unwrap_err().remove(0).message
    };
    assert_eq!(missing(), "is required, unless bitcoin_amount or quote is sent");
    let errors = ValidatedOrder::from_payload(&OrderPayload::default(), &[Currency::EUR]).unwrap_err();
    assert_eq!(errors[1].message, "is required, unless bitcoin_amount is sent");
}

#[test]
fn invalid_values_of_fields_that_exclude_each_other_are_listed() {
    let errors = |json: &str| {
        let payload = serde_json::from_str::<OrderPayload>(json).unwrap();
        let errors = OrderRequest::from_payload(&payload, &ALLOWED).unwrap_err().into_iter();
        errors.map(|error| format!("{}: {}", error.field, error.message)).collect::<Vec<_>>()
    };
    let [amount, bitcoin, redundant] =
        errors(r#"{"currency":"EUR","amount":"abc","bitcoin_amount":"x"}"#).try_into().unwrap();
    assert!(amount.starts_with("amount: ") && amount.ends_with(", but is \"abc\""), "{amount}");
    assert!(bitcoin.starts_with("bitcoin_amount: ") && bitcoin.ends_with(", but is \"x\""), "{bitcoin}");
    assert_eq!(redundant, "bitcoin_amount: must be absent if amount is present");
    let beside_quote = r#"{"quote":"7","currency":"EURO","amount":"abc","credit_wallet_id":"w"}"#;
    let [currency, amount, first, second, quote, payer, credited] = errors(beside_quote).try_into().unwrap();
    assert!(currency.starts_with("currency: ") && currency.contains(", but is \"EURO\""), "{currency}");
    assert!(amount.starts_with("amount: ") && amount.ends_with(", but is \"abc\""), "{amount}");
    assert_eq!(
        [first, second],
        ["currency", "amount"].map(|field| format!("{field}: must be absent if quote is present"))
    );
    assert!(quote.starts_with("quote: "), "{quote}");
    assert_eq!(payer, "wallet_id: is required, because credit_wallet_id is present");
    assert!(credited.starts_with("credit_wallet_id: "), "{credited}");
}

#[test]
fn every_invalid_field_of_order_and_annotations_is_listed() {
    let payload = |json: &str| serde_json::from_str::<OrderPayload>(json).unwrap();
    let fields = |json: &str| {
        let errors = OrderRequest::from_payload(&payload(json), &ALLOWED).err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
    };
    let invalid = r#"{"currency":"JPY","amount":"0","client_reference":"a\nb","metadata":{"k":"\u0000"}}"#;
    assert_eq!(fields(invalid), ["currency", "amount", "client_reference", "metadata.k"]);
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    assert_eq!(
        fields(&format!(r#"{{"quote":"{id}","bitcoin_amount":1,"client_reference":""}}"#)),
        ["bitcoin_amount", "client_reference"]
    );
    let valid = payload(&format!(r#"{{"quote":"{id}","client_reference":"a","metadata":{{}}}}"#));
    let request = OrderRequest::from_payload(&valid, &ALLOWED).unwrap();
    assert_eq!((request.annotations.client_reference.unwrap().as_str(), request.annotations.metadata), ("a", None));
}

#[test]
fn other_amount_is_computed_from_the_named_amount_and_rounded_up() {
    let rate = "84000.12".parse().unwrap();
    let convert = |ordered: OrderedAmount| {
        let ConvertedAmounts { amount, bitcoin_amount } = ordered.convert_rounded_up(rate).unwrap();
        (amount.to_string(), bitcoin_amount.to_string())
    };
    let pair = |amount: &str, bitcoin: &str| (amount.to_owned(), bitcoin.to_owned());
    assert_eq!(convert(OrderedAmount::Fiat("69".parse().unwrap())), pair("69.00", "0.00082143"));
    // 0.00082143 bitcoin are worth 69.0002185716.
    assert_eq!(convert(OrderedAmount::Bitcoin("0.00082143".parse().unwrap())), pair("69.0003", "0.00082143"));
}

#[test]
fn bitcoin_is_credited_only_if_a_wallet_pays() {
    const A: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    const B: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ac";
    let fields = |paying, credited| {
        let errors = OrderWallets::validate(paying, credited).err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
    };
    assert_eq!(OrderWallets::validate(None, None), Ok(None));
    let wallets = OrderWallets::validate(Some(A), Some(B)).unwrap().unwrap();
    assert_eq!((wallets.paying.to_string().as_str(), wallets.credited.unwrap().to_string().as_str()), (A, B));
    assert_eq!(wallets.field_of(wallets.credited.unwrap()), "credit_wallet_id");
    assert_eq!(wallets.field_of(wallets.paying), "wallet_id");
    assert_eq!(OrderWallets::validate(Some(A), None).unwrap().unwrap().credited, None);
    assert_eq!(fields(None, Some(B)), ["wallet_id"]);
    assert_eq!(fields(Some(A), Some(A)), ["credit_wallet_id"]);
    assert_eq!(fields(Some("a"), Some("")), ["wallet_id", "credit_wallet_id"]);
}

#[test]
fn wallets_are_absent_from_an_order_that_no_wallet_paid() {
    let json = r#"{"id":"01a1fd9f-ceb3-725e-83ba-6e2a33032a2b","created_at":"2026-11-21T10:21:11.219148Z","currency":"USD","amount":"600.00","exchange_rate":"91000.00","bitcoin_amount":"0.00659341","price_as_of":"2026-11-21T10:21:11.000000Z","simulated":true}"#;
    let order: Order = serde_json::from_str(json).unwrap();
    assert_eq!(order.wallets(), None);
    assert_eq!(serde_json::to_string(&order).unwrap(), json);
}
