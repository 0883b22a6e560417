use super::*;
use common::api::orders::RefusalReason;

fn id(number: u128) -> WalletId {
    format!("{number:032x}").parse().unwrap()
}

/// The problem if an order is refused because of `wallet`. Wallet 1 pays the order, and wallet 2 receives the bitcoin.
fn problem(reason: WalletReason, wallet: u128, currency: Option<&str>, balance: Option<&str>) -> Problem {
    let refused = Refused {
        wallet_id: Some(id(wallet)),
        wallet_currency: currency.map(|code| code.parse().unwrap()),
        balance: balance.map(|text| text.parse().unwrap()),
        ..Refused::because(RefusalReason::WalletNotFound)
    };
    let wallets = OrderWallets { paying: id(1), credited: Some(id(2)) };
    let order = ValidatedOrder { currency: Currency::EUR, amount: OrderedAmount::Fiat("10".parse().unwrap()) };
    WalletRefusal::new(reason, &refused, Some(wallets), Some(order)).into()
}

#[test]
fn wrong_wallet_is_invalid_and_its_field_is_named() {
    for (reason, wallet, field) in [
        (WalletReason::NotFound, 1, "wallet_id"),
        (WalletReason::NotFound, 2, "credit_wallet_id"),
        (WalletReason::Currency, 1, "wallet_id"),
        (WalletReason::Currency, 2, "credit_wallet_id"),
    ] {
        let problem = problem(reason, wallet, Some("USD"), None);
        assert_eq!((problem.code, problem.errors[0].field.as_str()), (Code::ValidationFailed, field));
    }
    let message = |reason, wallet| problem(reason, wallet, Some("USD"), None).errors[0].message.clone();
    assert_eq!(
        message(WalletReason::Currency, 1),
        format!("must be a wallet in EUR, the currency of the order, but wallet {} is in USD", id(1))
    );
    assert_eq!(message(WalletReason::Currency, 2), format!("must be a wallet in BTC, but wallet {} is in USD", id(2)));
    assert_eq!(
        message(WalletReason::NotFound, 2),
        format!("must be one of your wallets, but there is none with the id {}", id(2))
    );
}

#[test]
fn refusal_because_of_a_balance_shows_the_balance() {
    let poor = problem(WalletReason::InsufficientFunds, 1, Some("EUR"), Some("5.00"));
    assert_eq!((poor.code, poor.balance.unwrap().to_string().as_str()), (Code::InsufficientFunds, "5.00"));
    assert_eq!(poor.detail, "The wallet has 5.00 EUR, which is less than the amount, 10.00 EUR. No order was placed.");
    let full = problem(WalletReason::BalanceOutOfRange, 2, Some("BTC"), Some("9.00000000"));
    assert_eq!((full.code, full.balance.unwrap().to_string().as_str()), (Code::BalanceOutOfRange, "9.00000000"));
}
