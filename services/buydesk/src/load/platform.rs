//! The platform under load: whether it is a demo, and the maximum load without `--allow-more`.

use std::time::Duration;

use common::api::{courses::AgreedPrice, prices::BASE};
use url::Url;

use super::measures::Model;
use crate::{
    cli::LoadOptions,
    client::{ApiClient, ClientError, Endpoint},
    confirmation,
};

/// Maximum number of connections of the closed model without `--allow-more`.
const MAX_CONNECTIONS: u32 = 256;
/// Maximum number of requests per second of the open model without `--allow-more`.
const MAX_RATE: u32 = 5000;
/// Maximum of the option `--max-in-flight` without `--allow-more`.
const MAX_IN_FLIGHT: u32 = 1024;
/// Maximum of the duration and the warm-up together without `--allow-more`.
const MAX_DURATION: Duration = Duration::from_secs(15 * 60);
/// The number of connections of the closed model if no option sets it.
const DEFAULT_CONNECTIONS: u32 = 16;
/// The prices of bitcoin in these currencies show whether prices are simulated. They are tried in this order.
const CURRENCIES: [&str; 3] = ["EUR", "USD", "GBP"];

/// The model that the options select. Fails if the duration is zero, or if the load exceeds a maximum without
/// `--allow-more`.
pub fn model_of(options: &LoadOptions) -> Result<Model, ClientError> {
    let LoadOptions { connections, rate, max_in_flight, duration, warm_up, allow_more, .. } = *options;
    let model = match rate {
        Some(rate_per_second) => Model::Open { rate_per_second, max_in_flight },
        None => Model::Closed { connections: connections.unwrap_or(DEFAULT_CONNECTIONS) },
    };
    let excess = match model {
        Model::Closed { connections } if connections > MAX_CONNECTIONS => {
            Some(format!("--connections {connections} is more than {MAX_CONNECTIONS}"))
        }
        Model::Open { rate_per_second, .. } if rate_per_second > MAX_RATE => {
            Some(format!("--rate {rate_per_second} is more than {MAX_RATE}"))
        }
        Model::Open { max_in_flight, .. } if max_in_flight > MAX_IN_FLIGHT => {
            Some(format!("--max-in-flight {max_in_flight} is more than {MAX_IN_FLIGHT}"))
        }
        _ if duration + warm_up > MAX_DURATION => {
            Some(format!("--duration and --warm-up are more than {} minutes", MAX_DURATION.as_secs() / 60))
        }
        _ => None,
    };
    if duration.is_zero() {
        return Err(ClientError::invalid_arguments("--duration must be more than 0"));
    }
    match excess.filter(|_| !allow_more) {
        Some(excess) => Err(ClientError::invalid_arguments(format!("{excess}, which only --allow-more permits"))),
        None => Ok(model),
    }
}

/// Whether the prices of the platform are simulated. `None` if this is unknown.
pub async fn is_simulated(client: &ApiClient) -> Option<bool> {
    if let Ok(readiness) = client.readiness(&client.endpoints.server).await {
        let mut prices = readiness.parts.iter().filter_map(|part| part.price.as_ref()).peekable();
        if prices.peek().is_some() {
            return Some(prices.all(|price| price.simulated));
        }
    }
    // A proxy in front of the services forwards prices, but not the readiness.
    for currency in CURRENCIES {
        let found = client.get(&client.endpoints.rates, &format!("api/v1/price?direction={BASE}-{currency}")).await;
        if let Ok(price) = found.and_then(|response| response.parse::<AgreedPrice>()) {
            return Some(price.simulated);
        }
    }
    None
}

/// The permission to send a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permitted {
    /// Whether the prices of the platform are simulated. `None` if this is unknown.
    pub simulated: Option<bool>,
}

/// Permits the load if `endpoint` belongs to a demo, or with `--yes`. Otherwise asks the user, and returns `None` if
/// the user declines. `effect` states what the load does. Fails if `endpoint` does not respond. For an
/// endpoint on another host than the public address, this is checked only with `--yes`.
pub async fn permit(
    client: &ApiClient,
    endpoint: &Endpoint,
    effect: &str,
    options: &LoadOptions,
    json: bool,
) -> anyhow::Result<Option<Permitted>> {
    let server = &client.endpoints.server;
    // The prices at the public address are no evidence about a service on another host.
    let has_same_host = have_same_host(server, endpoint);
    if (has_same_host || options.yes)
        && let Err(error) = client.readiness(endpoint).await
        && error.downcast_ref::<ClientError>().is_some_and(ClientError::is_no_response)
    {
        return Err(error);
    }
    let simulated = if has_same_host { is_simulated(client).await } else { None };
    if simulated == Some(true) || options.yes {
        return Ok(Some(Permitted { simulated }));
    }
    let (address, public) = (endpoint.address(), server.address());
    let reason = match simulated {
        Some(_) => format!("{address} is no demo: its prices are real"),
        None if address == public => format!("it is unknown whether {address} is a demo, because it shows no price"),
        None if has_same_host => format!("it is unknown whether {address} is a demo, because {public} shows no price"),
        None => {
            format!("it is unknown whether {address} is a demo, because its host differs from that of {public}")
        }
    };
    let confirmed = confirmation::ask(&format!("{reason}. This command {effect}."), json)?;
    Ok(confirmed.then_some(Permitted { simulated }))
}

/// Whether both services have the same host. All names and addresses of loopback are one host.
fn have_same_host(first: &Endpoint, second: &Endpoint) -> bool {
    let host = |endpoint: &Endpoint| {
        let host = Url::parse(endpoint.address()).ok()?.host_str()?.to_owned();
        let is_loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        Some(if is_loopback { "loopback".to_owned() } else { host })
    };
    host(first).is_some_and(|name| Some(name) == host(second))
}

#[cfg(test)]
mod tests;
