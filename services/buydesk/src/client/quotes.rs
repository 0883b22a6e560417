//! `buydesk quote …`.

use common::{
    api::quotes::{Quote, QuoteRequest},
    money::DecimalText,
};

use super::{ApiClient, error::naming_options, orders::AMOUNT_OPTIONS, render};
use crate::cli::{CreateQuoteArgs, QuoteCommand};

/// Runs `buydesk quote …`.
pub async fn run_quote_command(client: &ApiClient, command: QuoteCommand, json: bool) -> anyhow::Result<()> {
    let server = &client.endpoints.server;
    let response = match command {
        QuoteCommand::Create(CreateQuoteArgs { currency, amount, bitcoin }) => {
            let (amount, bitcoin_amount) = (amount.map(DecimalText::from), bitcoin.map(DecimalText::from));
            let request = QuoteRequest { currency: Some(currency), amount, bitcoin_amount };
            naming_options(client.post(server, "api/v1/quotes", &request).await, AMOUNT_OPTIONS)?
        }
        QuoteCommand::Get { id } => client.get(server, &format!("api/v1/quotes/{id}")).await?,
        QuoteCommand::Cancel { id } => {
            let path = format!("api/v1/quotes/{id}");
            client.delete(server, &path).await?;
            // The response is empty. The quote is read to show whether it was released or had expired before.
            client.get(server, &path).await?
        }
    };
    response.print(json, |quote: &Quote| {
        render::quote(quote, &client.command(&format!("order place --quote {}", quote.id)))
    })
}
