//! Lists of orders.

use common::ids::OrderId;

use super::{CLIENT_USERS, PlantedBug, SimulatedService};
use crate::history::{ClientUser, CompleteList, ReadKind, Sighting};

impl SimulatedService {
    /// A client reads a page of its orders.
    pub(super) fn read_orders(&mut self) {
        let mut orders = self.orders_of(self.user);
        let of_another = self.stored.orders.iter().find(|stored| stored.order.user_id != self.user);
        if let Some(id) = of_another.map(|stored| stored.order.id)
            && self.triggers(PlantedBug::ShowsOrderOfAnother)
        {
            orders.push(id);
        }
        let sightings = orders.into_iter().map(|order| Sighting { user: self.user, read: ReadKind::Page, order });
        self.history.sightings.extend(sightings);
    }

    /// After the last order, every client reads all its orders.
    pub(super) fn list_orders_of_everybody(&mut self) {
        for user in CLIENT_USERS {
            let mut orders = self.orders_of(user);
            match self.bug {
                PlantedBug::OrderNotListed => drop(orders.pop()),
                PlantedBug::OrderListedTwice => orders.extend(orders.last().copied()),
                _ => {}
            }
            self.history.lists.push(CompleteList { user, read: ReadKind::Export, orders });
        }
    }

    fn orders_of(&self, user: ClientUser) -> Vec<OrderId> {
        let own = self.stored.orders.iter().filter(|stored| stored.order.user_id == user);
        own.map(|stored| stored.order.id).collect()
    }
}
