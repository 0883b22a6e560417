//! exchange-sim on a port, with a plain HTTP client.

use std::{net::SocketAddr, time::Duration};

use common::{clients::http_client, service::Service, time::Clock};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{TOKEN, config};
use crate::App;

const COINBASE: &str = "/coinbase/products/BTC-EUR/ticker";

struct RunningService {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

impl RunningService {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = App::build(config(Clock::System), listener.into()).await.unwrap();
        let (address, stop) = (app.address().unwrap(), CancellationToken::new());
        let served = tokio::spawn(app.run_until(stop.clone()));
        Self { address, stop, served }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn start_fault(&self, exchange: &str, kind: &str) {
        let request = http_client().put(self.url(&format!("/admin/faults/{exchange}"))).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/json");
        let response = request.body(format!(r#"{{"fault":"{kind}","seconds":600}}"#)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{}", response.text().await.unwrap());
    }

    async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn fault_down_breaks_the_connection() {
    let sim = RunningService::start().await;
    let url = sim.url(COINBASE);
    let response = http_client().get(&url).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-simulated"]), (200, &"true".parse().unwrap()));

    sim.start_fault("coinbase", "down").await;
    let body = async { http_client().get(&url).send().await?.text().await };
    assert!(body.await.is_err());
    sim.stop().await;
}

#[tokio::test]
async fn plain_request_to_a_websocket_path_is_refused_as_a_problem() {
    let sim = RunningService::start().await;
    let response = http_client().get(sim.url("/okx/ws/ws/v5/public")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-simulated"]), (400, &"true".parse().unwrap()));
    let problem: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "bad_request");
    assert!(
        problem["detail"].as_str().unwrap().starts_with("This path accepts only WebSocket connections"),
        "{problem}"
    );
    sim.stop().await;
}

#[tokio::test]
async fn slow_answers_time_out() {
    let sim = RunningService::start().await;
    let url = sim.url(COINBASE);
    sim.start_fault("coinbase", "slow").await;
    let response = http_client().get(&url).timeout(Duration::from_millis(300)).send().await;
    assert!(response.unwrap_err().is_timeout());
    sim.start_fault("coinbase", "slow_loris").await;
    let response = async { http_client().get(&url).timeout(Duration::from_millis(300)).send().await?.text().await };
    assert!(response.await.unwrap_err().is_timeout());
    sim.stop().await;
}
