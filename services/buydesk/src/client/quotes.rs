//! `buydesk quote …`.

use common::{
    api::quotes::{Quote, QuoteRequest},
    money::DecimalText,
};

use super::{ApiClient, render};
use crate::cli::{CreateQuoteArgs, QuoteCommand};

/// Runs `buydesk quote …`.
pub async fn run_quote_command(client: &ApiClient, command: QuoteCommand, json: bool) -> anyhow::Result<()> {
    let response = match command {
        QuoteCommand::Create(CreateQuoteArgs { currency, amount, bitcoin }) => {
            let (amount, bitcoin_amount) = (amount.map(DecimalText::from), bitcoin.map(DecimalText::from));
            let request = QuoteRequest { currency: Some(currency), amount, bitcoin_amount };
            client.post(&client.create_order, "api/v1/quotes", &request).await?
        }
        QuoteCommand::Get { id } => client.get(&client.create_order, &format!("api/v1/quotes/{id}")).await?,
        QuoteCommand::Cancel { id } => {
            let path = format!("api/v1/quotes/{id}");
            client.delete(&client.create_order, &path).await?;
            // The response is empty. The quote shows whether it was released or had expired before.
            client.get(&client.create_order, &path).await?
        }
    };
    response.print(json, |quote: &Quote| render::quote(quote))
}
