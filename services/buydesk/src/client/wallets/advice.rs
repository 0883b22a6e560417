//! Advice about refused requests for wallets.

use common::{api::Code, ids::WalletId};

use crate::client::ApiClient;

/// The advice for a problem with this code, if there is any. `changed` is the wallet of a deposit or a withdrawal, or
/// the paying wallet of a transfer.
pub fn advice(client: &ApiClient, changed: Option<WalletId>, code: Code) -> Option<String> {
    match code {
        Code::InsufficientFunds => changed.map(|wallet| {
            let deposit = client.command(&format!("wallet deposit {wallet} --amount AMOUNT"));
            format!("Use a smaller --amount, or deposit money first: `{deposit}`.")
        }),
        Code::BalanceOutOfRange => Some("Use a smaller --amount, or another wallet.".to_owned()),
        Code::KeyReused => Some(
            "For another request, use another --key or none. To get the result of the earlier request, run the earlier command again.".to_owned(),
        ),
        Code::NotFound => Some(format!(
            "`{}` lists your wallets. If the wallet belongs to somebody else, only its owner can confirm its id.",
            client.command("wallet list")
        )),
        Code::Forbidden if client.acts_as_operator() => Some(
            "Operators read all wallets and change none. Set BUYDESK_API_KEY to a key of the owner with the scope wallets, or unset \
             OPERATOR_TOKEN to act without a key."
                .to_owned(),
        ),
        _ => None,
    }
}
