use std::sync::atomic::{AtomicUsize, Ordering};

use common::{
    clients::http_client,
    config::{AcceptedCallers, Env, Secret, connect_address},
    service::Service,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{AlertConfig, App, Config, HistoryConfig};

fn addresses_of(text: &'static str) -> Result<Vec<String>, String> {
    let mut env = Env::from_pairs([("NGINX_URL", text)]);
    let urls = urls_from_env(&mut env);
    env.finish().map_err(|error| error.to_string())?;
    Ok(urls.into_iter().map(String::from).collect())
}

#[test]
fn address_without_a_path_is_probed_at_livez() {
    assert_eq!(addresses_of("").unwrap(), [""; 0]);
    assert_eq!(addresses_of("http://nginx:8080").unwrap(), ["http://nginx:8080/livez"]);
    assert_eq!(
        addresses_of("http://a:8080/, https://b/healthz, http://a:8080, http://a:8080/livez").unwrap(),
        ["http://a:8080/livez", "https://b/healthz"]
    );
}

#[test]
fn invalid_address_is_an_error_that_names_the_setting_and_what_is_allowed() {
    let too_many: Vec<_> = (1..=MAX_URLS + 1).map(|number| format!("http://nginx-{number}:8080")).collect();
    let too_many: &'static str = too_many.join(",").leak();
    for text in
        ["nginx:8080", "http://nginx:8080,nginx-2", "ftp://nginx", "http://ada:b@nginx", "http://nginx?a=b", too_many]
    {
        let error = addresses_of(text).unwrap_err();
        assert!(error.contains("NGINX_URL") && error.contains("such as http://127.0.0.1:8080"), "{error}");
    }
}

/// A server that sends `response` on each connection, and then keeps the connection open.
async fn server(response: &'static str) -> Url {
    counting_server(response).await.0
}

/// Like [`server`]. Also returns the number of connections.
async fn counting_server(response: &'static str) -> (Url, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/livez", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = connection.read(&mut [0; 1024]).await;
            connection.write_all(response.as_bytes()).await.unwrap();
            connections.push(connection);
        }
    });
    (address.parse().unwrap(), count)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn component_of_each_address_states_why_nginx_does_not_answer() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let urls = [
        server(OK).await,
        server("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await,
        server("").await,
        format!("http://{closed}/livez").parse().unwrap(),
    ];
    let probe = NginxProbe::new(urls.to_vec());
    let components = (probe.readiness_check())().await;
    let found: Vec<_> = components.iter().map(|part| (part.name.as_str(), part.detail.clone())).collect();
    let expected = [
        ("nginx-1", None),
        ("nginx-2", Some(format!("{} responds with status 503 Service Unavailable", urls[1]))),
        ("nginx-3", Some(format!("{} does not respond within 1500 ms", urls[2]))),
        ("nginx-4", Some(format!("{} cannot be reached: the connection was refused", urls[3]))),
    ];
    assert_eq!(found, expected);
    assert_eq!(components.iter().map(|part| part.ready).collect::<Vec<_>>(), [true, false, false, false]);
    assert!(components.iter().all(|part| part.optional), "{components:?}");
}

#[tokio::test]
async fn readyz_contains_the_address_only_on_loopback() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    for (bind_address, shown) in [("127.0.0.1:0", true), ("0.0.0.0:0", false)] {
        let config = Config {
            accepted_callers: AcceptedCallers::of_internal_token(Secret::random(), App::NAME),
            operator_token: None,
            alerts: AlertConfig::default(),
            history: HistoryConfig::default(),
            nginx_urls: vec![format!("http://{unused}/livez").parse().unwrap()],
        };
        let app = App::build(config, TcpListener::bind(bind_address).await.unwrap().into()).await.unwrap();
        let url = format!("http://{}/readyz", connect_address(app.address().unwrap()));
        // Heartbeats contain the address in both cases. Beyond loopback, only operators see the details of heartbeats.
        let [part] = (app.readiness())().await.try_into().unwrap();
        assert!(part.detail.unwrap().contains(&unused));
        tokio::spawn(app.run_until(CancellationToken::new()));
        let text = http_client().get(url).send().await.unwrap().text().await.unwrap();
        assert!(text.contains("\"nginx\"") && text.contains("\"ready\":false"), "{text}");
        assert_eq!(text.contains(&unused), shown, "{text}");
    }
}

#[tokio::test]
async fn changed_addresses_are_probed_next() {
    let probe = NginxProbe::new(Vec::new());
    let check = probe.readiness_check();
    assert_eq!(check().await, []);
    probe.set_urls(vec![server(OK).await]);
    assert_eq!(check().await, [Component::ready(Component::NGINX).optional()]);
    probe.set_urls(Vec::new());
    assert_eq!(check().await, []);
}

#[tokio::test]
async fn concurrent_checks_share_one_probe() {
    let (address, connections) = counting_server(OK).await;
    let probe = NginxProbe::new(vec![address]);
    let checks = [probe.readiness_check(), probe.public_readiness_check(true), probe.public_readiness_check(false)];
    for expected in 1..=2 {
        // A check whose client disconnects does not end the probe.
        drop(checks[0]());
        let components = join_all(checks.iter().cycle().take(30).map(|check| check())).await;
        assert!(components.iter().all(|parts| *parts == [Component::ready(Component::NGINX).optional()]));
        assert_eq!(connections.load(Ordering::Relaxed), expected);
        tokio::time::sleep(RESULT_LIFETIME).await;
    }
}
