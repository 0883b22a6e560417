use serde_json::json;

use super::*;

const ID: &str = "019b7d5a-1f00-7000-8000-000000000001";
const TIME: &str = "2026-01-02T03:04:05.000000Z";

#[test]
fn wallet_json_contains_a_null_user_and_all_decimals() {
    let wallet = Wallet {
        id: ID.parse().unwrap(),
        currency: Currency::USD,
        balance: "0.00".parse().unwrap(),
        user_id: None,
        created_at: TIME.parse().unwrap(),
    };
    let expected = json!({ "id": ID, "currency": "USD", "balance": "0.00", "user_id": null, "created_at": TIME });
    assert_eq!(serde_json::to_value(&wallet).unwrap(), expected);
    assert_eq!(serde_json::from_value::<Wallet>(expected).unwrap(), wallet);
}

#[test]
fn operation_has_the_documented_form() {
    let document = json!({
        "id": ID, "wallet_id": ID, "operation_type": "WITHDRAW", "amount": "0.00082143", "balance": "1.00000000",
        "created_at": TIME,
    });
    let operation: Operation = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(operation.operation_type, EntryType::Withdraw);
    assert_eq!(serde_json::to_value(operation).unwrap(), document);
    let types =
        [EntryType::Deposit, EntryType::TransferIn, EntryType::TransferOut, EntryType::OrderIn, EntryType::OrderOut];
    let names = types.map(|entry| serde_json::to_value(entry).unwrap());
    assert_eq!(names, ["DEPOSIT", "TRANSFER_IN", "TRANSFER_OUT", "ORDER_IN", "ORDER_OUT"]);
    assert_eq!(types.map(EntryType::as_str), ["DEPOSIT", "TRANSFER_IN", "TRANSFER_OUT", "ORDER_IN", "ORDER_OUT"]);
    assert_eq!(EntryType::Withdraw.as_str(), "WITHDRAW");
}

#[test]
fn cursors_have_one_text_form() {
    let id = WalletId(ID.parse::<WalletId>().unwrap().0);
    let id_without_hyphens = "019b7d5a1f0070008000000000000001";
    for (cursor, text) in [
        (VerificationCursor::Wallets(id), format!("w{id_without_hyphens}")),
        (VerificationCursor::Entries { wallet: id, number: 0x2f }, format!("e{id_without_hyphens}2f")),
        (VerificationCursor::Movements(MovementId(id.0)), format!("m{id_without_hyphens}")),
    ] {
        assert_eq!(cursor.to_string(), text);
        assert_eq!(text.parse(), Ok(cursor));
    }
    for text in [
        "",
        "w",
        "é",
        &format!("x{id_without_hyphens}"),
        &format!("w{id_without_hyphens}1"),
        &format!("e{id_without_hyphens}"),
        &format!("e{id_without_hyphens}02"),
    ] {
        assert!(text.parse::<VerificationCursor>().is_err(), "{text}");
    }
    assert_eq!("n1f".parse(), Ok(OperationCursor(31)));
    assert_eq!(format!("w{id_without_hyphens}").parse(), Ok(WalletCursor(id)));
    for text in ["n0", "n01", "n-1", "o1", "n"] {
        assert!(text.parse::<OperationCursor>().is_err(), "{text}");
    }
}
