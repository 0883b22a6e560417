//! Lists of orders.

use common::ids::OrderId;

use super::{PlantedBug, SimulatedService, VIEWERS};
use crate::history::{CompleteList, ReadKind, Sighting, Viewer};

impl SimulatedService {
    /// A client reads a page of its orders.
    pub(super) fn read_orders(&mut self) {
        let mut orders = self.orders_of(self.viewer);
        let of_another = self.stored.orders.iter().find(|stored| stored.order.user_id != self.viewer);
        if let Some(id) = of_another.map(|stored| stored.order.id)
            && self.has_effect(PlantedBug::ShowsOrderOfAnother)
        {
            orders.push(id);
        }
        let sightings = orders.into_iter().map(|order| Sighting { viewer: self.viewer, read: ReadKind::Page, order });
        self.history.sightings.extend(sightings);
    }

    /// After the last order, every client reads all its orders.
    pub(super) fn list_orders_of_everybody(&mut self) {
        for viewer in VIEWERS {
            let mut orders = self.orders_of(viewer);
            match self.bug {
                PlantedBug::OrderNotListed => drop(orders.pop()),
                PlantedBug::OrderListedTwice => orders.extend(orders.last().copied()),
                _ => {}
            }
            self.history.lists.push(CompleteList { viewer, read: ReadKind::Export, orders });
        }
    }

    fn orders_of(&self, viewer: Viewer) -> Vec<OrderId> {
        let own = self.stored.orders.iter().filter(|stored| stored.order.user_id == viewer);
        own.map(|stored| stored.order.id).collect()
    }
}
