//! Checks the layers of the code that `docs/ARCHITECTURE.md` describes, between the crates and inside `common`.

mod module_graph;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use self::module_graph::ModuleGraph;

/// The layers of `common`, lowest first: each module, and the modules that it may use. A module may also use its
/// submodules. The name of a module includes its submodules, but `api::self` is only the file `api.rs`.
const COMMON_LAYERS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("paths", &[]),
    ("spelling", &["text"]),
    ("level", &["spelling", "text"]),
    ("money", &["text"]),
    ("time", &["text"]),
    ("ids", &["text", "time"]),
    ("io_errors", &["paths"]),
    ("error_chain", &["io_errors"]),
    ("metrics", &[]),
    ("traces", &["metrics"]),
    ("request_context", &["ids", "traces"]),
    ("startup", &[]),
    ("config", &["io_errors", "level", "money", "spelling", "text", "time"]),
    ("redis_connection", &["config"]),
    ("concurrency", &["request_context", "time", "traces"]),
    ("api", &["ids", "level", "money", "spelling", "text", "time"]),
    ("access", &["api", "config", "ids"]),
    ("telemetry", &["config", "error_chain", "level", "request_context", "time"]),
    (
        "server",
        &[
            "access",
            "api::self",
            "api::filters",
            "api::keys",
            "api::parameters",
            "api::problem",
            "api::health",
            "api::schema_rules",
            "concurrency",
            "config",
            "error_chain",
            "ids",
            "io_errors",
            "metrics",
            "redis_connection",
            "request_context",
            "spelling",
            "startup",
            "telemetry",
            "text",
            "traces",
        ],
    ),
    (
        "clients",
        &[
            "access",
            "api",
            "concurrency",
            "config",
            "error_chain",
            "ids",
            "io_errors",
            "metrics",
            "money",
            "request_context",
            "startup",
            "time",
            "traces",
        ],
    ),
    (
        "reporting",
        &[
            "api",
            "clients",
            "concurrency",
            "config",
            "error_chain",
            "level",
            "metrics",
            "server",
            "startup",
            "telemetry",
            "time",
        ],
    ),
    ("trace_export", &["clients", "concurrency", "config", "error_chain", "reporting", "startup", "traces"]),
    ("error_tracking", &["clients", "config", "level", "reporting", "telemetry", "time"]),
    ("process", &["error_chain"]),
    ("shutdown", &[]),
    ("live_settings", &["config", "paths", "shutdown", "telemetry"]),
    (
        "service",
        &[
            "clients",
            "config",
            "error_tracking",
            "level",
            "live_settings",
            "process",
            "reporting",
            "server",
            "shutdown",
            "telemetry",
            "trace_export",
        ],
    ),
];

/// Crates that may depend on services.
const ABOVE_SERVICES: &[&str] = &["buydesk", "tests"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every crate of the workspace by name, with its folder and the names of its dependencies.
fn packages() -> BTreeMap<String, (PathBuf, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let folder = PathBuf::from(text(&package["manifest_path"])).parent().unwrap().to_owned();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        (text(&package["name"]), (folder, dependencies.map(|dependency| text(&dependency["name"])).collect()))
    });
    packages.collect()
}

/// The uses between modules of `common` that [`COMMON_LAYERS`] does not allow.
fn forbidden_uses(graph: &ModuleGraph) -> Vec<String> {
    let forbidden = graph.edges().filter(|(from, to)| {
        // The root may use every module, and every module may use the macros of the root.
        let (Some(from_module), Some(to_module)) = (from.first(), to.first()) else { return false };
        let layer = COMMON_LAYERS.iter().find(|(module, _)| module == from_module);
        let allowed = layer.map_or(&[][..], |(_, allowed)| *allowed);
        from_module != to_module && !allowed.iter().any(|name| covers(name, &to.join("::")))
    });
    forbidden.map(|(from, to)| format!("{} uses {}", from.join("::"), to.join("::"))).collect()
}

/// Whether a name in [`COMMON_LAYERS`] covers a module.
fn covers(name: &str, module: &str) -> bool {
    match name.strip_suffix("::self") {
        Some(file) => module == file,
        None => module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")),
    }
}

#[test]
fn common_modules_use_lower_layers_only() {
    let graph = ModuleGraph::of_crate(&workspace().join("common/src"));
    assert_eq!(forbidden_uses(&graph), Vec::<String>::new());
}

#[test]
fn no_crate_has_an_import_cycle() {
    let cycles: Vec<_> = packages()
        .into_iter()
        .flat_map(|(name, (folder, _))| {
            let cycles = ModuleGraph::of_crate(&folder.join("src")).cycles();
            cycles.into_iter().map(move |cycle| format!("{name}: {cycle}"))
        })
        .collect();
    assert_eq!(cycles, Vec::<String>::new());
}

#[test]
fn services_depend_on_common_and_not_on_each_other() {
    let packages = packages();
    let is_in_workspace = |name: &&String| packages.contains_key(*name);
    for (name, (_, dependencies)) in &packages {
        if ABOVE_SERVICES.contains(&name.as_str()) {
            continue;
        }
        let internal: Vec<_> = dependencies.iter().filter(is_in_workspace).collect();
        let expected: &[&str] = if name == "common" { &[] } else { &["common"] };
        assert_eq!(internal, expected, "{name}");
    }
}

#[test]
fn use_of_higher_layer_is_detected() {
    let graph =
        graph(&[("money", "use crate::text; fn f() { crate::api::Problem::internal() }"), ("text", ""), ("api", "")]);
    assert_eq!(forbidden_uses(&graph), ["money uses api"]);
}

#[test]
fn cycle_is_detected_through_braces_and_relative_paths() {
    let cycles = |sources: &[_]| graph(sources).cycles().into_iter().collect::<Vec<_>>();
    let sources = [
        ("orders::store", "use super::{policy::{self, Decision}};"),
        ("orders::policy", "pub use crate::{courses::{Course, *}};"),
        ("courses", "macro_rules! m { () => { $crate::orders::store::Row } }"),
    ];
    assert_eq!(cycles(&sources), ["courses -> orders -> courses"]);
    assert_eq!(cycles(&sources[..2]), [""; 0]);
    let siblings =
        [("orders::store", "use super::policy::Decision;"), ("orders::policy", "use crate::orders::store::Row;")];
    assert_eq!(cycles(&siblings), ["orders::policy -> orders::store -> orders::policy"]);
    let parent_and_child = [("orders", "mod store; use self::store::Store;"), ("orders::store", "use super::Order;")];
    assert_eq!(cycles(&parent_and_child), [""; 0]);
}

fn graph(sources: &[(&str, &str)]) -> ModuleGraph {
    let split = |path: &str| path.split("::").map(str::to_owned).collect();
    ModuleGraph::new(&sources.iter().map(|(path, text)| (split(path), (*text).to_owned())).collect::<Vec<_>>())
}
