//! Who may see reports, host names and details.
//!
//! If the service listens on loopback only, every caller sees them. Beyond loopback, only operators see them, because
//! reports contain log messages of all services, and names of instances contain host names. If `OPERATOR_TOKEN` is set,
//! a wrong token is refused in both cases, so that the caller notices the mistake. The status page ignores a wrong
//! token.

use common::{
    api::{
        health::{Component, Health},
        keys::KeySecret,
    },
    config::{AcceptedCallers, Secret},
};
use poem::{
    Request,
    http::header::AUTHORIZATION,
    web::headers::{
        Authorization, HeaderMapExt,
        authorization::{Basic, Bearer},
    },
};

use crate::error::Error;

/// Recognizes operators.
#[derive(Debug, Clone)]
pub(crate) struct OperatorAccess {
    /// Whether the service listens beyond loopback.
    pub(crate) restricted: bool,
    /// `OPERATOR_TOKEN`. If it is not set, no request is from an operator.
    pub(crate) token: Option<Secret>,
    /// The callers that may send reports.
    pub(crate) callers: AcceptedCallers,
}

impl OperatorAccess {
    /// Whether the caller may see everything. A program sends the token as bearer token, a browser as password. A wrong
    /// token is an error. Credentials for other purposes are ignored: the tokens of services, and API keys, which this
    /// service cannot check. If no token of operators is set, all credentials are ignored.
    pub(crate) fn allows(&self, request: &Request) -> Result<bool, Error> {
        let allowed_without_token = !self.restricted;
        let headers = request.headers();
        let (Some(token), true) = (&self.token, headers.contains_key(AUTHORIZATION)) else {
            return Ok(allowed_without_token);
        };
        let bearer = headers.typed_get::<Authorization<Bearer>>();
        let basic = headers.typed_get::<Authorization<Basic>>();
        let sent = bearer.as_ref().map(|bearer| bearer.0.token());
        let sent = sent.or_else(|| basic.as_ref().map(|basic| basic.0.password()));
        match sent {
            Some(sent) if token.matches(sent) => Ok(true),
            Some(sent) if KeySecret::resembles(sent) || self.callers.caller(sent).is_some() => {
                Ok(allowed_without_token)
            }
            _ => Err(Error::WrongToken),
        }
    }

    /// Like [`Self::allows`], but ignores wrong credentials. Used for the status page: after the token has changed, a
    /// browser continues to send the outdated password.
    pub(crate) fn allows_or_ignores(&self, request: &Request) -> bool {
        self.allows(request).unwrap_or(!self.restricted)
    }
}

/// Replaces the names of instances with numbers, because the names contain host names. Removes machines, measurements,
/// alerts, the details of components, and the reasons in the order intake, because these can contain addresses or show
/// the load of the platform.
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
