//! `.env.example` lists every variable that is read, and each container receives the variables that its service reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use common::{
    config::{Bind, Env},
    reporting,
    service::Service,
    telemetry,
};

/// Variables that no service reads in this test. The first two are for the command-line client; `NO_COLOR` is read only on a
/// terminal.
const READ_ELSEWHERE: [&str; 3] = ["CREATE_ORDER_URL", "RATES_URL", "NO_COLOR"];
/// Variables that containers do not receive. Their log is JSON without colours, and the file of the fault timeline does not
/// exist in a container. Ports are excluded separately, because they are fixed in the compose file.
const NOT_IN_CONTAINERS: [&str; 2] = ["NO_COLOR", "SIM_TIMELINE"];

fn read_file(path: &str) -> String {
    std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Collects the variables that a service reads, in the way its `main` reads them.
fn collect_variables<S: Service>(all: &mut BTreeMap<&'static str, BTreeSet<String>>) {
    let mut env = Env::default();
    telemetry::Config::from_env(&mut env);
    reporting::Config::from_env(&mut env);
    Bind::from_env(&mut env, S::NAME, S::PORT);
    S::configure(&mut env);
    all.insert(S::NAME, env.variable_names().map(str::to_owned).collect());
}

fn variables_by_service() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    collect_variables::<create_order::App>(&mut all);
    collect_variables::<db_proxy::App>(&mut all);
    collect_variables::<exchange_sim::App>(&mut all);
    collect_variables::<fetch_orders::App>(&mut all);
    collect_variables::<health_check::App>(&mut all);
    collect_variables::<price_cache_proxy::App>(&mut all);
    collect_variables::<price_updater::App>(&mut all);
    collect_variables::<rates::App>(&mut all);
    all
}

#[test]
fn env_example_lists_exactly_the_variables_read() {
    let text = read_file(".env.example");
    let lines = text.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let listed: Vec<_> = lines.map(|(name, _)| name).filter(|name| is_name(name)).collect();
    let read: BTreeSet<_> =
        variables_by_service().into_values().flatten().chain(READ_ELSEWHERE.map(str::to_owned)).collect();
    let distinct: BTreeSet<_> = listed.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(listed.len(), distinct.len(), "a variable is listed twice");
    assert_eq!(read.difference(&distinct).collect::<Vec<_>>(), [""; 0], "variables that are read and not listed");
    assert_eq!(distinct.difference(&read).collect::<Vec<_>>(), [""; 0], "variables that are listed and not read");
}

/// The variable names below `environment:` of each service of a compose file. Includes the shared variables if the service
/// merges them.
fn container_variables(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut blocks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut service, mut inside) = (String::new(), false);
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let (depth, line) = (line.len() - line.trim_start().len(), line.trim());
        let Some((key, _)) = line.split_once(':') else { continue };
        match depth {
            0 => (service, inside) = (key.to_owned(), key == "x-environment"),
            2 if service == "x-environment" => drop(blocks.entry(service.clone()).or_default().insert(key.to_owned())),
            2 => (service, inside) = (key.to_owned(), false),
            4 => inside = key == "environment",
            6 if inside => drop(blocks.entry(service.clone()).or_default().insert(key.to_owned())),
            _ => {}
        }
    }
    let shared = blocks.remove("x-environment").unwrap_or_default();
    for names in blocks.values_mut().filter(|names| names.contains("<<")) {
        names.extend(shared.iter().cloned());
    }
    blocks
}

#[test]
fn containers_receive_every_variable_their_service_reads() {
    let mut received = container_variables(&read_file("deployment/docker-compose.yml"));
    let mut demo = container_variables(&read_file("deployment/docker-compose.demo.yml"));
    received.insert("exchange-sim".to_owned(), demo.remove("exchange-sim").unwrap());
    for (service, read) in variables_by_service() {
        let received = &received[service];
        let missing = read.iter().filter(|name| !received.contains(*name) && !name.ends_with("_PORT"));
        let missing: Vec<_> = missing.filter(|name| !NOT_IN_CONTAINERS.contains(&name.as_str())).collect();
        assert_eq!(missing, [""; 0], "variables that {service} reads and its container does not receive");
        // Every container receives the URLs of all services.
        let unread = received.difference(&read).filter(|name| *name != "<<" && !name.ends_with("_URL"));
        assert_eq!(
            unread.collect::<Vec<_>>(),
            [""; 0],
            "variables that the container of {service} receives and the service does not read"
        );
    }
}
