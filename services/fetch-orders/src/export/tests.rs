use super::*;

#[test]
fn csv_columns_match_the_header_and_json_is_unchanged() {
    let json = r#"{"id":"01a1fd9f-ceb3-725e-83ba-6e2a33032a2b","created_at":"2026-11-21T10:21:11.219148Z","currency":"USD","amount":"600.00","exchange_rate":"91000.00","bitcoin_amount":"0.00659341","price_as_of":"2026-11-21T10:21:11.000000Z","simulated":true,"price_state":"prolonged","ordered_by":"bitcoin_amount","quote":"01a1fd9f-ceb3-725e-83ba-6e2a33032a2c","client_reference":"invoice-42","metadata":{},"user_id":"01a1fd9f-ceb3-725e-83ba-6e2a33032a2d","wallet_id":"01a1fd9f-ceb3-725e-83ba-6e2a33032a2e","credit_wallet_id":"01a1fd9f-ceb3-725e-83ba-6e2a33032a2f"}"#;
    let order: Order = serde_json::from_str(json).unwrap();
    let (mut csv, mut jsonl) = (Vec::new(), Vec::new());
    write_order(&order, ExportFormat::Csv, &mut csv).unwrap();
    write_order(&order, ExportFormat::Jsonl, &mut jsonl).unwrap();
    assert_eq!(String::from_utf8(jsonl).unwrap(), format!("{json}\n"));
    let fields: serde_json::Value = serde_json::from_str(json).unwrap();
    let names: Vec<_> = CSV_HEADER.trim_end().split(',').collect();
    let csv = String::from_utf8(csv).unwrap();
    let values: Vec<_> = csv.trim_end().split(',').collect();
    assert_eq!((names.len(), values.len()), (fields.as_object().unwrap().len(), names.len()));
    for (name, value) in names.into_iter().zip(values) {
        if name == "metadata" {
            assert_eq!(value, "{}");
            continue;
        }
        assert_eq!(fields[name].as_str().map_or(fields[name].to_string(), str::to_owned), value, "{name}");
    }
}

#[test]
fn text_of_a_client_becomes_one_cell_and_no_formula() {
    for (text, cell) in [
        ("invoice 42", "invoice 42"),
        ("", ""),
        ("a,b", r#""a,b""#),
        (r#"{"a":"1"}"#, r#""{""a"":""1""}""#),
        ("=1+1", r#""'=1+1""#),
        ("@a", r#""'@a""#),
        ("-5", r#""'-5""#),
        ("a=b", "a=b"),
    ] {
        assert_eq!(csv_text(text), cell);
    }
}
