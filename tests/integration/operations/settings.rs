//! `.env.example` lists exactly the variables that are read. Each container receives the variables that its service reads,
//! except for ports and [`NOT_IN_CONTAINERS`].

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use common::{
    config::{Bind, Env, shared},
    error_tracking, reporting,
    server::ServerConfig,
    service::Service,
    shutdown::STOP_TIMEOUT,
    telemetry, trace_export,
};

/// Variables that no service reads in this test: the settings of the command-line client, and `NO_COLOR`, which is read only
/// on a terminal.
const READ_ELSEWHERE: [&str; 9] = [
    "BACKUP_DIR",
    "BACKUP_KEY_FILE",
    "BACKUP_WAL_DIR",
    "BUYDESK_API_KEY",
    "BUYDESK_URL",
    "CREATE_ORDER_URL",
    "USERS_URL",
    "WALLETS_URL",
    "NO_COLOR",
];
/// Variables that containers do not receive. Containers log JSON without colours, contain no file with a fault timeline, and
/// receive no internal token. Ports are excluded separately, because they are fixed in the compose file.
const NOT_IN_CONTAINERS: [&str; 3] = ["NO_COLOR", "SIM_TIMELINE", "INTERNAL_TOKEN"];

pub(super) fn read_file(path: &str) -> String {
    std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// Collects the variables that a service reads at its start.
fn collect_variables<S: Service>(variables: &mut BTreeMap<&'static str, BTreeSet<String>>) {
    let mut env = Env::default();
    // This variable names the settings file, so it is read before the other settings.
    env.text("SETTINGS_FILE");
    telemetry::Config::from_env(&mut env);
    if S::MUST_REPORT || shared::has_health_check_token(&mut env) {
        reporting::Config::from_env(&mut env, S::CALLER);
    }
    trace_export::Config::from_env(&mut env);
    error_tracking::Config::from_env(&mut env);
    Bind::from_env(&mut env, S::NAME, S::PORT);
    ServerConfig::from_env(&mut env);
    S::configure(&mut env);
    variables.insert(S::NAME, env.variable_names().map(str::to_owned).collect());
}

pub(super) fn variables_by_service() -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut variables = BTreeMap::new();
    collect_variables::<create_order::App>(&mut variables);
    collect_variables::<db_proxy::App>(&mut variables);
    collect_variables::<exchange_sim::App>(&mut variables);
    collect_variables::<fetch_orders::App>(&mut variables);
    collect_variables::<health_check::App>(&mut variables);
    collect_variables::<price_cache_proxy::App>(&mut variables);
    collect_variables::<price_updater::App>(&mut variables);
    collect_variables::<rates::App>(&mut variables);
    collect_variables::<users::App>(&mut variables);
    collect_variables::<wallets::App>(&mut variables);
    variables
}

#[test]
fn env_example_lists_exactly_the_variables_read() {
    let text = read_file(".env.example");
    let lines = text.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let listed: Vec<_> = lines.map(|(name, _)| name).filter(|name| is_name(name)).collect();
    let read_variables: BTreeSet<_> =
        variables_by_service().into_values().flatten().chain(READ_ELSEWHERE.map(str::to_owned)).collect();
    let listed_variables: BTreeSet<_> = listed.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(listed.len(), listed_variables.len(), "a variable is listed twice");
    assert_eq!(
        read_variables.difference(&listed_variables).collect::<Vec<_>>(),
        [""; 0],
        "variables that are read and not listed"
    );
    assert_eq!(
        listed_variables.difference(&read_variables).collect::<Vec<_>>(),
        [""; 0],
        "variables that are listed and not read"
    );
}

/// The variable names below `environment:` of each service of a compose file. Includes the shared variables if the service
/// merges them.
fn container_variables(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut variables_by_service: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut insert = |service: &str, name: &str| {
        variables_by_service.entry(service.to_owned()).or_default().insert(name.to_owned());
    };
    let (mut service, mut in_environment_block) = (String::new(), false);
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        let Some((key, _)) = line.split_once(':') else { continue };
        match indent {
            0 => (service, in_environment_block) = (key.to_owned(), key == "x-environment"),
            2 if service == "x-environment" => insert(&service, key),
            2 => (service, in_environment_block) = (key.to_owned(), false),
            4 => in_environment_block = key == "environment",
            6 if in_environment_block => insert(&service, key),
            _ => {}
        }
    }
    let shared = variables_by_service.remove("x-environment").unwrap_or_default();
    for names in variables_by_service.values_mut().filter(|names| names.contains("<<")) {
        names.extend(shared.iter().cloned());
    }
    variables_by_service
}

#[test]
fn container_is_not_killed_before_its_service_has_stopped() {
    let compose: serde_json::Value = serde_yaml::from_str(&read_file("deployment/docker-compose.yml")).unwrap();
    let grace = compose["x-service"]["stop_grace_period"].as_str().unwrap();
    let grace: u64 = grace.strip_suffix('s').unwrap().parse().unwrap();
    let delay = compose["x-environment"]["SHUTDOWN_DELAY_SECS"].as_str().unwrap();
    let delay: u64 = delay.trim_start_matches("${SHUTDOWN_DELAY_SECS:-").trim_end_matches('}').parse().unwrap();
    assert!(delay > 0 && grace > delay + STOP_TIMEOUT.as_secs(), "delay {delay} s, grace period {grace} s");
}

#[test]
fn containers_receive_the_variables_their_service_reads_and_no_others_except_urls() {
    let mut received_by_service = container_variables(&read_file("deployment/docker-compose.yml"));
    let mut demo = container_variables(&read_file("deployment/docker-compose.demo.yml"));
    received_by_service.insert("exchange-sim".to_owned(), demo.remove("exchange-sim").unwrap());
    for (service, read_variables) in variables_by_service() {
        let received_variables = &received_by_service[service];
        let missing =
            read_variables.iter().filter(|name| !received_variables.contains(*name) && !name.ends_with("_PORT"));
        // exchange-sim does not report to health-check in containers.
        let is_required = |name: &&String| service != "exchange-sim" || name.as_str() != "HEALTH_CHECK_TOKEN";
        let missing = missing.filter(is_required);
        let missing: Vec<_> = missing.filter(|name| !NOT_IN_CONTAINERS.contains(&name.as_str())).collect();
        assert_eq!(missing, [""; 0], "variables that {service} reads and its container does not receive");
        // The shared variables contain URLs that some services do not read.
        let unread =
            received_variables.difference(&read_variables).filter(|name| *name != "<<" && !name.ends_with("_URL"));
        assert_eq!(
            unread.collect::<Vec<_>>(),
            [""; 0],
            "variables that the container of {service} receives and the service does not read"
        );
    }
}
