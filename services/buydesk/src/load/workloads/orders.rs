//! `buydesk load orders`: places orders with idempotency keys.

use std::collections::HashMap;

use common::{
    api::{
        orders::{MAX_PAGE, Order, OrderFilter, OrderPayload, OrderQuery},
        pages::LinkedOrderPage,
    },
    ids::OrderId,
    money::{Currency, DecimalText},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    cli::{CheckScope, OrderLoadArgs},
    client::ApiClient,
    load::{
        acknowledged::{KeyedRequest, SharedOutcomes, read_with_retries},
        report::Check,
        transport::{PreparedRequest, Transport},
        workload::{Failure, Workload},
    },
};

const PATH: &str = "api/v1/orders";

#[derive(Debug)]
pub struct OrderLoad {
    transport: Transport,
    request: PreparedRequest,
    /// The id of this run, which is a part of each idempotency key.
    run: Uuid,
    currency: Currency,
    outcomes: SharedOutcomes,
}

impl OrderLoad {
    pub fn new(client: &ApiClient, transport: Transport, args: &OrderLoadArgs) -> anyhow::Result<Self> {
        let payload = OrderPayload {
            currency: Some(args.currency.to_string()),
            amount: Some(DecimalText::from(args.amount.clone())),
            bitcoin_amount: None,
            quote: None,
            client_reference: None,
            metadata: None,
            wallet_id: None,
            credit_wallet_id: None,
        };
        let request = transport.post(&client.endpoints.server, PATH, &payload)?;
        let outcomes = SharedOutcomes::default();
        Ok(Self { transport, request, run: Uuid::now_v7(), currency: args.currency, outcomes })
    }

    fn key(&self, number: u64) -> String {
        format!("load-{}-{number}", self.run)
    }

    fn keyed(&self, number: u64) -> KeyedRequest<'_> {
        KeyedRequest { request: &self.request, key: self.key(number) }
    }

    /// Checks that the acknowledged orders that `scope` selects are stored. With [`CheckScope::All`], each order must
    /// be listed exactly once.
    pub async fn check(&self, client: &ApiClient, scope: CheckScope) -> anyhow::Result<Check> {
        let (outcomes, mut check) = self.outcomes.resolve_and_check(&self.transport, |number| self.keyed(number)).await;
        match scope {
            CheckScope::None => {}
            CheckScope::Sample => {
                for (_, id) in outcomes.selected(scope) {
                    check.looked_up += 1;
                    let found =
                        read_with_retries::<Order>(client, &client.endpoints.orders, &format!("{PATH}/{id}")).await;
                    match found {
                        Ok(order) if order.id == OrderId(id) && order.currency == self.currency => {}
                        Ok(_) => check.add_violation(format!("Order {id} is stored with other values.")),
                        Err(error) => {
                            check.add_violation(format!("Order {id} was acknowledged, and is not found: {error:#}"));
                        }
                    }
                }
            }
            CheckScope::All => {
                let mut listed: HashMap<Uuid, u32> =
                    outcomes.selected(scope).into_iter().map(|(_, id)| (id, 0)).collect();
                self.count_listed(client, &mut listed).await?;
                for (id, count) in listed {
                    check.looked_up += 1;
                    if count != 1 {
                        check.add_violation(format!("Order {id} was acknowledged, and is listed {count} times."));
                    }
                }
            }
        }
        Ok(check)
    }

    /// Counts how often each of these orders is listed. The list contains the orders from [`search_start`] on.
    async fn count_listed(&self, client: &ApiClient, orders: &mut HashMap<Uuid, u32>) -> anyhow::Result<()> {
        // Ids are sorted by time, to the millisecond.
        let Some(first) = orders.keys().min() else { return Ok(()) };
        let first: Order = read_with_retries(client, &client.endpoints.orders, &format!("{PATH}/{first}")).await?;
        let filter = OrderFilter {
            currency: Some(self.currency),
            from: Some(search_start(first.created_at)),
            ..OrderFilter::default()
        };
        let query = OrderQuery { filter, client_reference: None, user: None };
        let mut cursor = None;
        loop {
            let path = format!("{PATH}?{}", query.to_query(cursor, MAX_PAGE));
            let page: LinkedOrderPage = read_with_retries(client, &client.endpoints.orders, &path).await?;
            for order in page.data {
                if let Some(count) = orders.get_mut(&order.id.0) {
                    *count += 1;
                }
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

/// A time before all orders of the run. `first` is the time of the order with the lowest id. An order with a higher id
/// is possibly older, because ids of the same millisecond are not sorted.
fn search_start(first: Timestamp) -> Timestamp {
    first.minus(std::time::Duration::from_secs(60))
}

impl Workload for OrderLoad {
    fn operations(&self) -> &'static [&'static str] {
        &["order"]
    }

    fn operation_of(&self, _: u64) -> usize {
        0
    }

    async fn send(&self, number: u64) -> Result<(), Failure> {
        let response = self.transport.send(&self.request, Some(&self.key(number))).await;
        self.outcomes.record(number, response)
    }
}

#[cfg(test)]
mod tests;
