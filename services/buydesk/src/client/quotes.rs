//! `buydesk quote …`.

use common::{
    api::{
        Code,
        quotes::{Quote, QuoteRequest, QuoteState},
    },
    money::{BitcoinText, DecimalText},
};

use super::{
    ApiClient,
    error::{UnknownChange, denying_refused, naming_options, of_change, with_advice},
    orders::{AMOUNT_OPTIONS, advice_to_create_quote, advice_to_raise_limit},
    render,
};
use crate::cli::{CreateQuoteArgs, QuoteCommand};

/// Runs `buydesk quote …`.
pub async fn run_quote_command(client: &ApiClient, command: QuoteCommand, json: bool) -> anyhow::Result<()> {
    let server = &client.endpoints.server;
    let is_cancelled = matches!(command, QuoteCommand::Cancel { .. });
    let response = match command {
        QuoteCommand::Create(CreateQuoteArgs { currency, amount, bitcoin }) => {
            let (amount, bitcoin_amount) = (amount.map(DecimalText::from), bitcoin.map(BitcoinText::from));
            let request = QuoteRequest { currency: Some(currency), amount, bitcoin_amount };
            let created = client.post(server, "api/v1/quotes", &request).await;
            let possible_effect = "A quote may have been created. It then expires by itself.";
            let next_step = "Create another quote.".to_owned();
            let created = of_change(created, UnknownChange { possible_effect, next_step });
            let created = denying_refused(created, "No quote was created.");
            let created =
                with_advice(created, |code| (code == Code::LimitExceeded).then(|| advice_to_raise_limit(client)));
            naming_options(created, AMOUNT_OPTIONS)?
        }
        QuoteCommand::Get { id } => advise(client, client.get(server, &format!("api/v1/quotes/{id}")).await)?,
        QuoteCommand::Cancel { id } => {
            let path = format!("api/v1/quotes/{id}");
            let get = client.command(&format!("quote get {id}"));
            let next_step = format!("`{get}` shows its state.");
            let released = client.delete(server, &path).await;
            let released =
                of_change(released, UnknownChange { possible_effect: "The quote may have been released.", next_step });
            let released =
                with_advice(released, |code| (code == Code::QuoteTaken).then(|| format!("`{get}` shows the order.")));
            advise(client, released)?;
            // The response is empty. The quote is read to show whether it was released or had expired before.
            client.get(server, &path).await?
        }
    };
    response.print(json, |quote: &Quote| {
        let shown = render::quote(quote, &client.command(&format!("order place --quote {}", quote.id)));
        let outcome = if is_cancelled { cancellation_outcome(quote.state) } else { "" };
        format!("{shown}{outcome}")
    })
}

/// A sentence on a quote after its cancellation, on a line that begins with a line break.
fn cancellation_outcome(state: QuoteState) -> &'static str {
    match state {
        QuoteState::Released => "\nThe quote is released: no order can take it.",
        QuoteState::Expired => "\nThe quote has expired, so there was no reservation to release.",
        QuoteState::Open | QuoteState::Taken => "",
    }
}

/// Adds advice to the error of a quote that does not exist.
fn advise<T>(client: &ApiClient, result: anyhow::Result<T>) -> anyhow::Result<T> {
    with_advice(result, |code| match code {
        Code::NotFound => Some(advice_to_create_quote(client)),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
