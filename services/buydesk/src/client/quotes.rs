//! `buydesk quote …`.

use common::{
    api::{
        Code,
        quotes::{Quote, QuoteRequest},
    },
    money::{BitcoinText, DecimalText},
};

use super::{
    ApiClient,
    error::{UnknownChange, naming_options, of_change, with_advice},
    orders::{AMOUNT_OPTIONS, advice_to_create_quote, advice_to_raise_limit},
    render,
};
use crate::cli::{CreateQuoteArgs, QuoteCommand};

/// Runs `buydesk quote …`.
pub async fn run_quote_command(client: &ApiClient, command: QuoteCommand, json: bool) -> anyhow::Result<()> {
    let server = &client.endpoints.server;
    let response = match command {
        QuoteCommand::Create(CreateQuoteArgs { currency, amount, bitcoin }) => {
            let (amount, bitcoin_amount) = (amount.map(DecimalText::from), bitcoin.map(BitcoinText::from));
            let request = QuoteRequest { currency: Some(currency), amount, bitcoin_amount };
            let created = client.post(server, "api/v1/quotes", &request).await;
            let possible_effect = "A quote may have been created. It then expires by itself.";
            let next_step = "Create another quote.".to_owned();
            let created = of_change(created, UnknownChange { possible_effect, next_step });
            let created =
                with_advice(created, |code| (code == Code::LimitExceeded).then(|| advice_to_raise_limit(client)));
            naming_options(created, AMOUNT_OPTIONS)?
        }
        QuoteCommand::Get { id } => advise(client, client.get(server, &format!("api/v1/quotes/{id}")).await)?,
        QuoteCommand::Cancel { id } => {
            let path = format!("api/v1/quotes/{id}");
            let next_step = format!("`{}` shows its state.", client.command(&format!("quote get {id}")));
            let released = client.delete(server, &path).await;
            let released =
                of_change(released, UnknownChange { possible_effect: "The quote may have been released.", next_step });
            advise(client, released)?;
            // The response is empty. The quote is read to show whether it was released or had expired before.
            client.get(server, &path).await?
        }
    };
    response.print(json, |quote: &Quote| {
        render::quote(quote, &client.command(&format!("order place --quote {}", quote.id)))
    })
}

/// Adds advice to the error of a quote that does not exist.
fn advise<T>(client: &ApiClient, result: anyhow::Result<T>) -> anyhow::Result<T> {
    with_advice(result, |code| match code {
        Code::NotFound => Some(advice_to_create_quote(client)),
        _ => None,
    })
}
