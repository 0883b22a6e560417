//! Who may see reports, host names and details.
//!
//! If the service listens on loopback only, every caller sees them. Beyond loopback, only operators see them, because reports
//! contain log messages of all services, and names of instances are host names.

use common::{
    api::health::{Component, Health},
    config::Secret,
};
use poem::{
    Request,
    web::headers::{
        Authorization, HeaderMapExt,
        authorization::{Basic, Bearer},
    },
};

/// Recognizes operators.
#[derive(Debug, Clone)]
pub(crate) struct OperatorAccess {
    /// Whether the service listens beyond loopback.
    pub(crate) restricted: bool,
    /// `OPERATOR_TOKEN`. Without it, nobody is an operator.
    pub(crate) token: Option<Secret>,
}

impl OperatorAccess {
    /// Whether the caller may see everything. A program sends the token as bearer token, a browser as password.
    pub(crate) fn allows(&self, request: &Request) -> bool {
        if !self.restricted {
            return true;
        }
        let Some(token) = &self.token else { return false };
        let headers = request.headers();
        let bearer = headers.typed_get::<Authorization<Bearer>>();
        let basic = headers.typed_get::<Authorization<Basic>>();
        bearer.is_some_and(|bearer| token.matches(bearer.token()))
            || basic.is_some_and(|basic| token.matches(basic.password()))
    }
}

/// Replaces the names of instances with numbers, because the names contain host names. Removes machines, measurements, alerts, the
/// details of components, and the reasons in the order intake, because they may contain addresses or show the load of the platform.
pub(crate) fn without_details(mut health: Health) -> Health {
    let remove_details = |components: &mut Vec<Component>| {
        for component in components {
            component.detail = None;
            component.measurements.clear();
        }
    };
    health.machines.clear();
    health.alerts.clear();
    for service in &mut health.services {
        remove_details(&mut service.parts);
        for (number, instance) in (1..).zip(&mut service.instances) {
            instance.instance = format!("instance {number}");
            remove_details(&mut instance.parts);
            instance.measurements.clear();
        }
    }
    for component in &mut health.infrastructure {
        component.detail = None;
        component.measurements.clear();
    }
    if let Some(orders) = &mut health.orders {
        orders.reason = None;
        orders.prices.iter_mut().for_each(|price| price.reason = None);
    }
    health
}
