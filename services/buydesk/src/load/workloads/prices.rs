//! `buydesk load prices`: reads prices, courses and conversions.

use common::{api::prices::BASE, money::Currency};

use crate::{
    client::ApiClient,
    load::{
        transport::{PreparedRequest, Transport},
        workload::{Failure, Workload},
    },
};

/// Operations of ten consecutive requests, as indexes of [`PriceLoad::operations`].
const MIX: [usize; 10] = [0, 1, 0, 2, 0, 1, 0, 2, 0, 0];

#[derive(Debug)]
pub struct PriceLoad {
    transport: Transport,
    requests: [PreparedRequest; 3],
}

impl PriceLoad {
    pub fn new(client: &ApiClient, transport: Transport, currency: Currency) -> anyhow::Result<Self> {
        let endpoint = &client.endpoints.rates;
        let requests = [
            transport.get(endpoint, &format!("api/v1/price?direction={BASE}-{currency}"))?,
            transport.get(endpoint, &format!("api/v1/convert?from={BASE}&to={currency}&amount=0.5"))?,
            transport.get(endpoint, "api/v1/courses")?,
        ];
        Ok(Self { transport, requests })
    }
}

impl Workload for PriceLoad {
    fn operations(&self) -> &'static [&'static str] {
        &["price", "conversion", "all courses"]
    }

    fn operation_of(&self, number: u64) -> usize {
        usize::try_from(number % 10).map_or(0, |index| MIX[index])
    }

    async fn send(&self, number: u64) -> Result<(), Failure> {
        self.transport.send(&self.requests[self.operation_of(number)], None).await.map(drop)
    }
}
