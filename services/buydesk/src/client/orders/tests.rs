use clap::Parser;
use serde_json::json;

use super::*;
use crate::{
    cli::{Arguments, Command, UserReference},
    client::{
        quotes::run_quote_command,
        scripted_service::{Reply, ScriptedService},
    },
};

fn list(arguments: &str) -> OrderList {
    let words = ["buydesk", "order", "list"].into_iter().chain(arguments.split_whitespace());
    let Command::Order(OrderCommand::List(args)) = Arguments::try_parse_from(words).unwrap().command else { panic!() };
    let user = args.user.as_ref().map(|user| match user {
        UserReference::Id(id) => *id,
        UserReference::Email(_) => panic!("{user:?}"),
    });
    OrderList::new(args, user)
}

#[test]
fn command_for_the_next_page_has_the_same_filters() {
    let options = "--limit 2 --currency EUR --from 2026-01-02T03:04:05.000000Z --to 2026-02-02T03:04:05.000000Z \
                 --min-amount 1.00 --max-amount 70.00 --reference invoice-42 \
                 --user 019b7d5a-1f00-7000-8000-000000000001";
    assert_eq!(list(options).command(Cursor(31)), format!("order list {options} --cursor o1f"));
    let next = list("--limit 3 --cursor o1f");
    assert_eq!(next.command(Cursor(7)), "order list --limit 3 --cursor o7");
    // A reference may contain spaces.
    let reference = Some("two words".parse().unwrap());
    let query = OrderQuery { client_reference: reference, ..OrderQuery::default() };
    let spaced = OrderList { query, invalid_currency: None, cursor: None, limit: 1 };
    assert!(spaced.command(Cursor(7)).contains(" --reference 'two words' "));
}

#[test]
fn currency_that_is_no_code_is_sent_so_that_the_service_names_the_currencies() {
    assert_eq!(list("--currency EURO&x").path(None, 1), "api/v1/orders?limit=1&currency=EURO%26x");
    assert_eq!(list("--currency eur").path(None, 1), "api/v1/orders?limit=1&currency=EUR");
}

#[test]
fn repeated_name_of_metadata_is_found() {
    let pairs = |names: &[&str]| -> Vec<_> {
        names.iter().map(|name| MetadataPair { name: (*name).to_owned(), value: "1".to_owned() }).collect()
    };
    assert_eq!(repeated_name(&pairs(&["a", "cart", "b", "cart"])), Some("cart"));
    assert_eq!(repeated_name(&pairs(&["a", "b"])), None);
}

#[tokio::test]
async fn order_or_quote_above_the_limit_names_the_command_that_raises_it() {
    let problem = || {
        let problem = json!({
            "type": "about:blank", "title": "", "status": 409, "code": "limit_exceeded", "detail": "Nothing remains of it."
        });
        Reply::Problem(problem.to_string())
    };
    for command in ["order place -c EUR -a 5", "quote create -c EUR -a 5"] {
        let client = ScriptedService::start(vec![problem()]).client(&[]);
        let words = ["buydesk"].into_iter().chain(command.split_whitespace());
        let result = match Arguments::try_parse_from(words).unwrap().command {
            Command::Order(command) => run_order_command(&client, command, false).await,
            Command::Quote(command) => run_quote_command(&client, command, false).await,
            other => panic!("{other:?}"),
        };
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("An operator raises the limit of all orders with `") && error.contains("limit set AMOUNT`."),
            "{error}"
        );
    }
}
