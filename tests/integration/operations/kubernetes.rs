//! Compares the manifests in `deployment/kubernetes` with the code: ports, probes, secrets, and permitted calls between
//! services. `.ci/kubernetes` compares the manifests with the schemas of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use common::shutdown::STOP_TIMEOUT;
use serde_json::{Value, json};

use super::{
    openapi::all_ports,
    settings::{read_file, variables_by_service},
};

/// Simulated exchanges are part of the demonstration only.
const DEMO_SERVICE: &str = "exchange-sim";
/// The settings with the URLs of other services.
const SERVICE_URLS: [(&str, &str); 5] = [
    ("DB_PROXY_URL", "db-proxy"),
    ("PRICE_CACHE_URL", "price-cache-proxy"),
    ("HEALTH_CHECK_URL", "health-check"),
    ("FETCH_ORDERS_URL", "fetch-orders"),
    ("RATES_URL", "rates"),
];

fn documents(path: &str) -> Vec<Value> {
    let text = read_file(&format!("deployment/kubernetes/{path}"));
    let documents = text.split("\n---\n");
    documents.map(|text| serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"))).collect()
}

/// The objects of the manifest of one service, by kind and name.
struct Manifest(BTreeMap<(String, String), Value>);

impl Manifest {
    fn of(service: &str) -> Self {
        let folder = if service == DEMO_SERVICE { "demo" } else { "base" };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let objects = documents(&format!("{folder}/{service}.yaml")).into_iter();
        Self(objects.map(|each| ((text(&each["kind"]), text(&each["metadata"]["name"])), each)).collect())
    }

    #[track_caller]
    fn object(&self, kind: &str, name: &str) -> &Value {
        self.0.get(&(kind.to_owned(), name.to_owned())).unwrap_or_else(|| panic!("{name} has no {kind}"))
    }

    fn pod(&self, service: &str) -> &Value {
        &self.object("Deployment", service)["spec"]["template"]["spec"]
    }

    fn container(&self, service: &str) -> &Value {
        let containers = self.pod(service)["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1, "{service}");
        &containers[0]
    }
}

fn services() -> Vec<&'static str> {
    all_ports().into_keys().collect()
}

/// The variables of a settings file of kustomize, by name.
fn settings(folder: &str) -> BTreeMap<String, String> {
    let text = read_file(&format!("deployment/kubernetes/{folder}/settings.env"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn manifests_exist_for_exactly_the_services() {
    for (folder, expected) in [
        ("base", services().into_iter().filter(|service| *service != DEMO_SERVICE).collect::<BTreeSet<_>>()),
        ("demo", BTreeSet::from([DEMO_SERVICE])),
    ] {
        let kustomization = documents(&format!("{folder}/kustomization.yaml")).remove(0);
        let resources = kustomization["resources"].as_array().unwrap().iter();
        let resources = resources.map(|name| name.as_str().unwrap());
        let resources: BTreeSet<_> = resources.filter_map(|name| name.strip_suffix(".yaml")).collect();
        let is_service = |name: &&str| !["namespace", "network-policies"].contains(name);
        assert_eq!(resources.into_iter().filter(is_service).collect::<BTreeSet<_>>(), expected);
        // The images have the version of this code.
        for image in kustomization["images"].as_array().unwrap() {
            assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"), "{image}");
        }
        let images = kustomization["images"].as_array().unwrap().iter();
        let images: BTreeSet<_> = images.map(|image| image["name"].as_str().unwrap()).collect();
        let expected_images: Vec<_> = expected.iter().map(|service| format!("buydesk/{service}")).collect();
        assert_eq!(images, expected_images.iter().map(String::as_str).collect());
    }
    for service in services() {
        let manifest = Manifest::of(service);
        for kind in ["Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"] {
            manifest.object(kind, service);
        }
        assert_eq!(manifest.container(service)["image"], format!("buydesk/{service}"));
    }
}

#[test]
fn manifest_has_the_ports_and_probes_of_its_service() {
    for (service, port) in all_ports() {
        let manifest = Manifest::of(service);
        let container = manifest.container(service);
        assert_eq!(container["ports"], json!([{ "name": "http", "containerPort": port }]), "{service}");
        let ports = &manifest.object("Service", service)["spec"]["ports"];
        assert_eq!(ports, &json!([{ "name": "http", "port": port, "targetPort": "http" }]), "{service}");
        for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
            assert_eq!(container[probe]["httpGet"], json!({ "path": path, "port": "http" }), "{service}");
        }
        let expected = json!({ "app.kubernetes.io/name": service });
        assert_eq!(manifest.object("Service", service)["spec"]["selector"], expected);
        for kind in ["Deployment", "PodDisruptionBudget"] {
            assert_eq!(
                manifest.object(kind, service)["spec"]["selector"]["matchLabels"],
                expected,
                "{kind} of {service}"
            );
        }
    }
}

/// Seconds of the grace period that a slow kubelet uses before it sends SIGTERM.
const GRACE_RESERVE: u64 = 10;

#[test]
fn pod_is_not_killed_before_its_service_has_stopped() {
    let delay: u64 = settings("base")["SHUTDOWN_DELAY_SECS"].parse().unwrap();
    assert!(delay > 0, "without a delay, requests that arrive after SIGTERM fail");
    for service in services() {
        let manifest = Manifest::of(service);
        let grace = manifest.pod(service)["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace >= delay + STOP_TIMEOUT.as_secs() + GRACE_RESERVE, "{service} is killed after {grace} s");
        // A hook before SIGTERM would use a part of the grace period.
        assert_eq!(manifest.container(service)["lifecycle"], Value::Null, "{service}");
    }
}

#[test]
fn pods_run_with_the_least_privilege() {
    for service in services() {
        let manifest = Manifest::of(service);
        let pod = manifest.pod(service);
        assert_eq!(pod["automountServiceAccountToken"], false, "{service}");
        // Kubernetes would set variables such as DB_PROXY_PORT to addresses, and the service would not start.
        assert_eq!(pod["enableServiceLinks"], false, "{service}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{service}");
        let containers = [&pod["initContainers"], &pod["containers"]].into_iter().filter_map(Value::as_array).flatten();
        for container in containers {
            assert_eq!(
                container["securityContext"],
                json!({
                    "allowPrivilegeEscalation": false,
                    "capabilities": { "drop": ["ALL"] },
                    "readOnlyRootFilesystem": true,
                }),
                "{service}"
            );
            for resources in [&container["resources"]["requests"], &container["resources"]["limits"]] {
                assert!(resources["memory"].is_string(), "{service} lacks a memory request or a memory limit");
            }
        }
    }
}

/// Whether a setting contains a secret.
fn is_secret(variable: &str) -> bool {
    let urls_with_passwords = ["DATABASE_URL", "REDIS_URL", "RATE_LIMIT_REDIS_URL"];
    variable.ends_with("_TOKEN") || variable == "SERVER_KEY" || urls_with_passwords.contains(&variable)
}

#[test]
fn each_service_receives_exactly_its_secrets_from_its_own_secret_object() {
    for (service, variables) in variables_by_service() {
        let manifest = Manifest::of(service);
        let entries = manifest.container(service)["env"].as_array().unwrap();
        let received: BTreeSet<_> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
        // No pod receives `INTERNAL_TOKEN`, from which the tokens are derived. exchange-sim calls no service.
        let is_needed = |variable: &&str| {
            is_secret(variable)
                && *variable != "INTERNAL_TOKEN"
                && (service, *variable) != (DEMO_SERVICE, "HEALTH_CHECK_TOKEN")
        };
        let expected: BTreeSet<_> = variables.iter().map(String::as_str).filter(is_needed).collect();
        assert_eq!(received, expected, "{service}");
        for entry in entries {
            let reference = json!({ "name": format!("buydesk-{service}"), "key": entry["name"] });
            assert_eq!(entry["valueFrom"]["secretKeyRef"], reference, "{service}");
        }
    }
}

#[test]
fn settings_files_contain_only_known_settings_and_no_secret() {
    let variables: BTreeSet<_> = variables_by_service().into_values().flatten().collect();
    for folder in ["base", "demo"] {
        for name in settings(folder).keys() {
            assert!(variables.contains(name), "no service reads {name}");
            assert!(!is_secret(name), "{name} is a secret");
        }
    }
    let settings = settings("base");
    for (variable, service) in SERVICE_URLS {
        assert_eq!(settings[variable], format!("http://{service}:{}", all_ports()[service]));
    }
}

/// The services that a service calls.
fn calls(service: &str) -> BTreeSet<&'static str> {
    let variables = variables_by_service();
    // exchange-sim reads HEALTH_CHECK_URL, but has no token for health-check and does not call it.
    let urls = SERVICE_URLS.iter().filter(|_| service != DEMO_SERVICE);
    urls.filter(|(variable, _)| variables[service].contains(*variable)).map(|(_, called)| *called).collect()
}

/// The services that the rules of a network policy permit. `end` is `from` or `to`.
fn peers(rules: &Value, end: &str) -> BTreeSet<String> {
    let rules = rules.as_array().into_iter().flatten();
    let peers = rules.flat_map(|rule| rule[end].as_array().unwrap());
    let names = peers.filter_map(|peer| peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"].as_str());
    names.map(str::to_owned).collect()
}

#[test]
fn network_policies_permit_exactly_the_calls_of_the_services() {
    for service in services() {
        let manifest = Manifest::of(service);
        let policy = &manifest.object("NetworkPolicy", service)["spec"];
        assert_eq!(policy["podSelector"]["matchLabels"], json!({ "app.kubernetes.io/name": service }));
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]), "{service}");
        let called: BTreeSet<_> = calls(service).into_iter().map(str::to_owned).collect();
        assert_eq!(peers(&policy["egress"], "to"), called, "calls of {service}");
        for rule in policy["egress"].as_array().unwrap() {
            let Some(called) = peers(&json!([rule]), "to").pop_first() else { continue };
            assert_eq!(rule["ports"], json!([{ "port": all_ports()[called.as_str()] }]), "{service} calls {called}");
        }

        let callers = services().into_iter().filter(|caller| calls(caller).contains(service));
        let callers: BTreeSet<_> = callers.map(str::to_owned).collect();
        let permitted = peers(&policy["ingress"], "from");
        match service {
            // Almost every service reports to health-check. One rule without names permits all services.
            "health-check" => assert!(permitted.is_empty(), "{service}"),
            // price-updater calls exchange-sim at the URLs of price sources, which `calls` does not read.
            DEMO_SERVICE => assert_eq!(permitted, BTreeSet::from(["price-updater".to_owned()])),
            _ => assert_eq!(permitted, callers, "callers of {service}"),
        }
    }
}

#[test]
fn services_that_share_their_rate_limits_are_scaled_automatically() {
    for (service, variables) in variables_by_service() {
        let manifest = Manifest::of(service);
        let key = ("HorizontalPodAutoscaler".to_owned(), service.to_owned());
        assert_eq!(manifest.0.contains_key(&key), variables.contains("RATE_LIMIT_REDIS_URL"), "{service}");
        // A number of instances in the deployment would replace the number that the autoscaler sets.
        let replicas = manifest.object("Deployment", service)["spec"].get("replicas");
        assert_eq!(replicas.is_none(), manifest.0.contains_key(&key), "{service}");
    }
}
