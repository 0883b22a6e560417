//! `.env.example` lists every variable that is read, and the containers are handed every one that people may set.

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

/// What no service reads here: the first two are for the command line client, the last is asked for on a terminal alone.
const ELSEWHERE: [&str; 3] = ["CREATE_ORDER_URL", "RATES_URL", "NO_COLOR"];
/// What a container is not handed on purpose: its log is JSON without colours, and a file of faults would have to be brought
/// into it first. Neither are ports, which are fixed in the file and published as wanted.
const NOT_IN_CONTAINERS: [&str; 2] = ["NO_COLOR", "SIM_TIMELINE"];

fn file(path: &str) -> String {
    std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// All that a service reads, as its `main` does.
fn read_by<S: Service>(all: &mut BTreeMap<&'static str, BTreeSet<String>>) {
    let mut env = Env::default();
    telemetry::Config::from_env(&mut env);
    reporting::Config::from_env(&mut env);
    Bind::from_env(&mut env, S::NAME, S::PORT);
    S::configure(&mut env);
    all.insert(S::NAME, env.variable_names().map(str::to_owned).collect());
}

fn read_by_each() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    read_by::<create_order::App>(&mut all);
    read_by::<db_proxy::App>(&mut all);
    read_by::<exchange_sim::App>(&mut all);
    read_by::<fetch_orders::App>(&mut all);
    read_by::<health_check::App>(&mut all);
    read_by::<price_cache_proxy::App>(&mut all);
    read_by::<price_updater::App>(&mut all);
    read_by::<rates::App>(&mut all);
    all
}

#[test]
fn env_example_lists_exactly_the_variables_read() {
    let text = file(".env.example");
    let lines = text.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let listed: Vec<_> = lines.map(|(name, _)| name).filter(|name| is_name(name)).collect();
    let read: BTreeSet<_> = read_by_each().into_values().flatten().chain(ELSEWHERE.map(str::to_owned)).collect();
    let once: BTreeSet<_> = listed.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(listed.len(), once.len(), "a variable is listed twice");
    assert_eq!(read.difference(&once).collect::<Vec<_>>(), [""; 0], "these are read and not listed");
    assert_eq!(once.difference(&read).collect::<Vec<_>>(), [""; 0], "these are listed and read by nobody");
}

/// The names below `environment:` of every service of a compose file, those of the common part among them where it is named.
fn handed_on(text: &str) -> BTreeMap<String, BTreeSet<String>> {
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
    let mut handed = handed_on(&file("deployment/docker-compose.yml"));
    let mut demo = handed_on(&file("deployment/docker-compose.demo.yml"));
    handed.insert("exchange-sim".to_owned(), demo.remove("exchange-sim").unwrap());
    for (service, read) in read_by_each() {
        let handed = &handed[service];
        let missing = read.iter().filter(|name| !handed.contains(*name) && !name.ends_with("_PORT"));
        let missing: Vec<_> = missing.filter(|name| !NOT_IN_CONTAINERS.contains(&name.as_str())).collect();
        assert_eq!(missing, [""; 0], "{service} reads these and is not handed them");
        // All of them are handed where the others are, whether they need it or not.
        let unread = handed.difference(&read).filter(|name| *name != "<<" && !name.ends_with("_URL"));
        let unread: Vec<_> = unread.collect();
        assert_eq!(unread, [""; 0], "{service} is handed these and reads none of them");
    }
}
