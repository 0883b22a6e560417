//! The state of the platform, and whether it accepts orders.

use common::{
    api::health::{HealthStatus, OrderIntake, ServiceState},
    startup::STARTUP_GRACE,
};

use super::{Instance, ServiceEntry, ServiceRegistry};
use crate::{
    clock::Instants,
    order_intake::{self, IntakeInstance},
};

impl ServiceRegistry {
    /// Whether orders are accepted, at which prices, and the remaining limit, according to the heartbeats of
    /// create-order.
    pub(crate) fn order_intake(&self, now: Instants) -> OrderIntake {
        let entry = self.services.get(order_intake::SERVICE);
        let instances = entry.into_iter().flat_map(|entry| entry.instances.values());
        let instances = instances.filter(|instance| !instance.stopped).map(|instance| IntakeInstance {
            ready: instance.is_ready(),
            confirmed: instance.is_confirmed(now),
            last_seen: instance.last_seen,
            components: &instance.heartbeat.parts,
        });
        let state = entry.map_or(ServiceState::Unknown, |entry| entry.state(now));
        let price_updater = self.services.get(order_intake::PRICE_SERVICE);
        let price_components = price_updater.map(|entry| entry.components(now)).unwrap_or_default();
        order_intake::order_intake(instances.collect(), state, &price_components, now.wall)
    }

    pub(crate) fn status(&self, now: Instants) -> HealthStatus {
        let worst = self.services.iter().map(|(name, entry)| match self.state_of(name, entry, now) {
            ServiceState::Alive | ServiceState::Degraded | ServiceState::Unknown
                if name == order_intake::SERVICE && !entry.may_place_orders(now) =>
            {
                HealthStatus::Failing
            }
            // An instance whose heartbeat is overdue may be unable to place orders, even if it is not missing yet.
            ServiceState::Alive if name == order_intake::SERVICE && entry.has_silent_instance(now) => {
                HealthStatus::Degraded
            }
            ServiceState::Alive => HealthStatus::Ok,
            // The platform does not need a service that is not expected.
            ServiceState::Stopped | ServiceState::Unknown if !entry.expected => HealthStatus::Ok,
            ServiceState::Degraded | ServiceState::Stopped | ServiceState::Unknown => HealthStatus::Degraded,
            ServiceState::Missing => HealthStatus::Failing,
        });
        worst.max().unwrap_or(HealthStatus::Ok)
    }
}

impl ServiceEntry {
    /// Whether an instance of create-order can place orders or is possibly starting. Before the first heartbeat, an
    /// instance is possibly starting until health-check itself has run for [`STARTUP_GRACE`].
    fn may_place_orders(&self, now: Instants) -> bool {
        // A price can expire after the heartbeat in which an instance was ready.
        let has_price = |instance: &Instance| order_intake::has_price(&instance.heartbeat.parts, now.wall);
        let may_place = |instance: &Instance| {
            instance.is_confirmed(now) && ((instance.is_ready() && has_price(instance)) || instance.is_starting(now))
        };
        let is_possibly_starting = self.instances.is_empty() && now.monotonic < STARTUP_GRACE;
        is_possibly_starting || self.instances.values().any(may_place)
    }

    /// Whether a heartbeat of a running instance is overdue.
    fn has_silent_instance(&self, now: Instants) -> bool {
        self.running(now).any(|instance| !instance.is_confirmed(now))
    }
}
