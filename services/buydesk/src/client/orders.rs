//! `buydesk order …`.

use std::collections::HashSet;

use common::{
    api::{
        Code,
        orders::{Cursor, Metadata, Order, OrderFilter, OrderPayload, OrderQuery},
        pages::LinkedOrderPage,
    },
    ids::{UserId, WalletId},
    money::{BitcoinText, Currency, DecimalText},
};

use super::{
    ApiClient,
    api_client::{Change, print_line},
    attempts::{ChangeKey, OutcomeTexts},
    encode_query,
    error::{ClientError, FieldOption, naming_options, with_advice},
    render,
    users::find_id,
};
use crate::{
    cli::{ListArgs, MetadataPair, OrderCommand, PlaceArgs},
    program::option,
};

/// The options of `buydesk order place` and `buydesk quote create`.
pub(super) const AMOUNT_OPTIONS: &[FieldOption] = &[
    FieldOption { field: "currency", option: "--currency" },
    FieldOption { field: "amount", option: "--amount" },
    FieldOption { field: "bitcoin_amount", option: "--bitcoin" },
    FieldOption { field: "quote", option: "--quote" },
    FieldOption { field: "wallet_id", option: "--wallet" },
    FieldOption { field: "credit_wallet_id", option: "--credit-wallet" },
    FieldOption { field: "client_reference", option: "--reference" },
    FieldOption { field: "metadata", option: "--metadata" },
    FieldOption { field: "Idempotency-Key", option: "--key" },
];
/// The sentences about the outcome of an order.
pub(super) const ORDER_TEXTS: OutcomeTexts = OutcomeTexts {
    not_made: "No order was placed",
    unknown: "The order may have been placed.",
    unknown_earlier: "This command placed no order, but an earlier request with this key may have placed it.",
    only_once: "The order is placed only once.",
};
/// The options of `buydesk order list`.
const LIST_OPTIONS: &[FieldOption] = &[
    FieldOption { field: "limit", option: "--limit" },
    FieldOption { field: "cursor", option: "--cursor" },
    FieldOption { field: "currency", option: "--currency" },
    FieldOption { field: "from", option: "--from" },
    FieldOption { field: "to", option: "--to" },
    FieldOption { field: "min_amount", option: "--min-amount" },
    FieldOption { field: "max_amount", option: "--max-amount" },
    FieldOption { field: "client_reference", option: "--reference" },
    FieldOption { field: "user", option: "--user" },
];

/// Runs `buydesk order …`.
pub async fn run_order_command(client: &ApiClient, command: OrderCommand, json: bool) -> anyhow::Result<()> {
    match command {
        OrderCommand::Place(args) => naming_options(place_order(client, args, json).await, AMOUNT_OPTIONS),
        OrderCommand::List(args) => naming_options(list_orders(client, args, json).await, LIST_OPTIONS),
        OrderCommand::Get { id } => {
            let found = client.get(&client.endpoints.orders, &format!("api/v1/orders/{id}")).await;
            let response = with_advice(found, |code| match code {
                Code::NotFound => {
                    Some(format!("`{}` lists the orders that you may see.", client.command("order list")))
                }
                _ => None,
            })?;
            response.print(json, |order: &Order| render::order(order))
        }
    }
}

/// The first name that occurs a second time.
fn repeated_name(metadata: &[MetadataPair]) -> Option<&str> {
    let mut names = HashSet::new();
    metadata.iter().map(|pair| pair.name.as_str()).find(|name| !names.insert(*name))
}

async fn place_order(client: &ApiClient, args: PlaceArgs, json: bool) -> anyhow::Result<()> {
    let PlaceArgs { currency, amount, bitcoin, quote, wallet, credit_wallet, reference, metadata, key } = args;
    if let Some(name) = repeated_name(&metadata) {
        return Err(ClientError::invalid_arguments(format!("--metadata must not have the name {name:?} twice")).into());
    }
    let metadata =
        (!metadata.is_empty()).then(|| metadata.into_iter().map(|pair| (pair.name, pair.value)).collect::<Metadata>());
    let payload = OrderPayload {
        currency,
        amount: amount.map(DecimalText::from),
        bitcoin_amount: bitcoin.map(BitcoinText::from),
        quote: quote.map(|id| id.to_string()),
        client_reference: reference,
        metadata,
        wallet_id: wallet.map(|id| id.to_string()),
        credit_wallet_id: credit_wallet.map(|id| id.to_string()),
    };
    let key = ChangeKey::new(key);
    let change =
        Change { endpoint: &client.endpoints.server, path: "api/v1/orders", body: &payload, texts: &ORDER_TEXTS };
    let response = with_advice(client.make_change(change, &key).await, |code| {
        match code {
        Code::KeyReused => Some(
            "For another order, use another --key or none. To get the order that has this key, run the earlier command again."
                .to_owned(),
        ),
        Code::QuoteUnknown | Code::QuoteTaken | Code::QuoteExpired => Some(advice_to_create_quote(client)),
        Code::LimitExceeded => Some(advice_to_raise_limit(client)),
        Code::InsufficientFunds => wallet.map(|wallet| advice_to_deposit(client, wallet)),
        _ => None,
    }
    })?;
    response.print(json, |order: &Order| {
        let note = if response.replayed { "\nAn earlier request with this key placed the order." } else { "" };
        let order = format!("Order was placed for {}:{}\n{}", order.currency, order.amount, render::order(order));
        format!("{order}\nIdempotency key: {}{note}", key.key())
    })
}

/// The advice if an order or a quote exceeds the remaining limit.
pub(super) fn advice_to_raise_limit(client: &ApiClient) -> String {
    format!("Order less. An operator raises the limit of all orders with `{}`.", client.command("limit set AMOUNT"))
}

/// The advice if the paying wallet has not enough money.
fn advice_to_deposit(client: &ApiClient, wallet: WalletId) -> String {
    let deposit = client.command(&format!("wallet deposit {wallet} --amount AMOUNT"));
    format!("Order less, or deposit money first: `{deposit}`.")
}

/// The advice if a quote does not exist or can no longer be taken.
pub(super) fn advice_to_create_quote(client: &ApiClient) -> String {
    format!("`{}` creates another quote.", client.command("quote create"))
}

async fn list_orders(client: &ApiClient, args: ListArgs, json: bool) -> anyhow::Result<()> {
    let user = match &args.user {
        Some(user) => Some(find_id(client, user).await?),
        None => None,
    };
    let list = OrderList::new(args, user);
    let listed = client.get(&client.endpoints.orders, &list.path(list.cursor, list.limit)).await;
    let response = with_advice(listed, |code| {
        match code {
        Code::Forbidden => Some(
            "As an operator, set OPERATOR_TOKEN to the operator token, and unset BUYDESK_API_KEY, which this command prefers."
                .to_owned(),
        ),
        _ => None,
    }
    })?;
    if json {
        return response.print_json();
    }
    let page: LinkedOrderPage = response.parse()?;
    let next = match page.next_cursor {
        Some(cursor) if has_orders_after(client, &list, cursor).await => Some(client.command(&list.command(cursor))),
        _ => None,
    };
    print_line(&render::page(&page, next.as_deref()))
}

/// Whether the list continues after `cursor`. A page can have a cursor even if no further order matches the filter.
async fn has_orders_after(client: &ApiClient, list: &OrderList, cursor: Cursor) -> bool {
    let next = client.get(&client.endpoints.orders, &list.path(Some(cursor), 1)).await;
    match next.and_then(|response| response.parse::<LinkedOrderPage>()) {
        Ok(page) => !page.data.is_empty() || page.next_cursor.is_some(),
        // The command for the next page is shown anyway. It prints the error if the next request also fails.
        Err(_) => true,
    }
}

/// The list that a user requested.
struct OrderList {
    query: OrderQuery,
    /// A value of `--currency` that is not a currency code. The service refuses it, and names the currencies.
    invalid_currency: Option<String>,
    cursor: Option<Cursor>,
    limit: u32,
}

impl OrderList {
    fn new(args: ListArgs, user: Option<UserId>) -> Self {
        let ListArgs { limit, cursor, currency, from, to, min_amount, max_amount, reference, user: _ } = args;
        let parsed = currency.as_ref().and_then(|code| code.parse::<Currency>().ok());
        let filter = OrderFilter { currency: parsed, from, to, min_amount, max_amount };
        let query = OrderQuery { filter, client_reference: reference, user };
        Self { query, invalid_currency: currency.filter(|_| parsed.is_none()), cursor, limit }
    }

    fn path(&self, cursor: Option<Cursor>, limit: u32) -> String {
        let query = self.query.to_query(cursor, limit);
        match &self.invalid_currency {
            Some(invalid) => format!("api/v1/orders?{query}&{}", encode_query([("currency", invalid.clone())])),
            None => format!("api/v1/orders?{query}"),
        }
    }

    /// The command that shows the same list from `cursor` on.
    fn command(&self, cursor: Cursor) -> String {
        let OrderQuery { filter, client_reference, user } = &self.query;
        [
            "order list".to_owned(),
            option("limit", Some(self.limit)),
            option("currency", filter.currency.as_ref()),
            option("from", filter.from.as_ref()),
            option("to", filter.to.as_ref()),
            option("min-amount", filter.min_amount.as_ref()),
            option("max-amount", filter.max_amount.as_ref()),
            option("reference", client_reference.as_ref()),
            option("user", user.as_ref()),
            option("cursor", Some(cursor)),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests;
