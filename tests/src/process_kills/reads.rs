//! Reads of clients: pages, exports and single orders. Each order that a client sees is recorded.

use common::{
    api::{
        orders::{Cursor, Order},
        pages::LinkedOrderPage,
    },
    ids::OrderId,
};

use super::clients::Client;
use crate::{
    Response,
    client::try_send,
    history::{CompleteList, ReadKind},
    platform::ORDERS_PATH,
};

/// A client chooses from this many of the newest acknowledged orders of all clients.
const NEWEST: usize = 200;

impl Client {
    /// Reads pages, an export or a single order, at random. Does not retry a failed read.
    pub(super) async fn read_orders(&mut self) {
        let limit = self.rng.u32(1..20);
        match self.rng.u32(0..6) {
            // The cursor may be the position of an order of another owner.
            0..=1 => {
                let cursor = Cursor(self.rng.i64(1..2_000));
                self.read_page(&format!("{ORDERS_PATH}?limit={limit}&cursor={cursor}"), ReadKind::Page).await;
                self.read_page(&format!("{ORDERS_PATH}?limit={limit}"), ReadKind::Page).await;
            }
            2 => {
                let start = self.rng.u32(0..50);
                self.read_page(&format!("/get_orders/?start={start}&page_size={limit}"), ReadKind::OffsetPage).await;
            }
            3 => {
                let path = format!("{ORDERS_PATH}/export?format=jsonl&currency=EUR");
                if let Some(response) = self.try_get(&path).await {
                    self.record(ReadKind::Export, &exported_orders(&response));
                }
            }
            _ => {
                let Some(order) = self.progress.choose_acknowledged(NEWEST, &mut self.rng) else { return };
                if let Some(response) = self.try_get(&format!("{ORDERS_PATH}/{}", order.id)).await {
                    let seen: Order = serde_json::from_slice(&response.body).expect("the body of a 200 is an order");
                    self.record(ReadKind::SingleOrder, &[seen.id]);
                }
            }
        }
    }

    /// Reads all pages and an export, after the last order was placed and the last fault has ended.
    pub(super) async fn list_all(mut self) {
        let user = self.connection.identity.user;
        let (mut orders, mut next) = (Vec::new(), Some(format!("{ORDERS_PATH}?limit=1000")));
        while let Some(path) = next {
            let page = page_of(&self.get(&path).await);
            orders.extend(page.data.iter().map(|order| order.id));
            next = page.links.next;
        }
        self.progress.history.record_list(CompleteList { user, read: ReadKind::Page, orders });
        let export = self.get(&format!("{ORDERS_PATH}/export?format=jsonl")).await;
        let orders = exported_orders(&export);
        self.progress.history.record_list(CompleteList { user, read: ReadKind::Export, orders });
    }

    async fn read_page(&mut self, path: &str, read: ReadKind) {
        if let Some(response) = self.try_get(path).await {
            let seen: Vec<_> = page_of(&response).data.iter().map(|order| order.id).collect();
            self.record(read, &seen);
        }
    }

    fn record(&self, read: ReadKind, orders: &[OrderId]) {
        self.progress.history.record_sightings(self.connection.identity.user, read, orders);
    }

    /// The response to a read, if it succeeds.
    async fn try_get(&mut self, path: &str) -> Option<Response> {
        let urls = &self.connection.read_urls;
        let url = format!("{}{path}", urls[self.rng.usize(0..urls.len())]);
        let request = self.connection.authorize(self.connection.http.request("GET", url));
        try_send(request).await.ok().filter(|response| response.status == 200)
    }

    /// Repeats a read until it succeeds.
    async fn get(&mut self, path: &str) -> Response {
        loop {
            if let Some(response) = self.try_get(path).await {
                return response;
            }
            self.pause_before_retry().await;
        }
    }
}

fn page_of(response: &Response) -> LinkedOrderPage {
    serde_json::from_slice(&response.body).expect("the body of a 200 is a page")
}

fn exported_orders(response: &Response) -> Vec<OrderId> {
    let text = response.text();
    let orders = text.lines().map(|line| serde_json::from_str::<Order>(line).expect("a line of an export is an order"));
    orders.map(|order| order.id).collect()
}
