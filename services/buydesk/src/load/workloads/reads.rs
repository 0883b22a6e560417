//! `buydesk load reads`: reads pages of orders, single orders and the summary.

use anyhow::Context;
use common::api::{orders::MAX_PAGE, pages::LinkedOrderPage};

use crate::{
    client::ApiClient,
    load::{
        acknowledged::read_with_retries,
        transport::{PreparedRequest, Transport},
        workload::{Failure, Workload},
    },
};

const PATH: &str = "api/v1/orders";
/// Operations of ten consecutive requests, as indexes of [`ReadLoad::operations`].
const MIX: [usize; 10] = [ORDER, PAGE, ORDER, ORDER, PAGE, ORDER, ORDER, PAGE, ORDER, SUMMARY];
const ORDER: usize = 0;
const PAGE: usize = 1;
const SUMMARY: usize = 2;

#[derive(Debug)]
pub struct ReadLoad {
    transport: Transport,
    /// Requests for single orders. If there are no orders, pages are read instead.
    orders: Vec<PreparedRequest>,
    page: PreparedRequest,
    summary: PreparedRequest,
}

impl ReadLoad {
    /// Lists the newest orders. The load reads single orders of this list.
    pub async fn new(client: &ApiClient, transport: Transport) -> anyhow::Result<Self> {
        let endpoint = &client.endpoints.orders;
        let newest: LinkedOrderPage = read_with_retries(client, endpoint, &format!("{PATH}?limit={MAX_PAGE}"))
            .await
            .context("the orders to read could not be listed")?;
        let orders = newest.data.iter().map(|order| transport.get(endpoint, &format!("{PATH}/{}", order.id)));
        let orders = orders.collect::<anyhow::Result<_>>()?;
        let page = transport.get(endpoint, &format!("{PATH}?limit=20"))?;
        let summary = transport.get(endpoint, &format!("{PATH}/summary"))?;
        Ok(Self { transport, orders, page, summary })
    }

    fn request(&self, number: u64) -> &PreparedRequest {
        match self.operation_of(number) {
            ORDER => usize::try_from(number).ok().and_then(|number| self.orders.get(number % self.orders.len())),
            PAGE => None,
            _ => Some(&self.summary),
        }
        .unwrap_or(&self.page)
    }
}

impl Workload for ReadLoad {
    fn operations(&self) -> &'static [&'static str] {
        &["single order", "page of 20", "summary"]
    }

    fn operation_of(&self, number: u64) -> usize {
        let operation = usize::try_from(number % 10).map_or(PAGE, |index| MIX[index]);
        if operation == ORDER && self.orders.is_empty() { PAGE } else { operation }
    }

    async fn send(&self, number: u64) -> Result<(), Failure> {
        self.transport.send(self.request(number), None).await.map(drop)
    }
}
