//! The generated files in `docs` are current: the OpenAPI documents of the services in `docs/openapi`, the Postman collection in
//! `docs/postman`, the table of error codes in `docs/errors.md`, and the access policy in `docs/access.md`.

mod access;
mod descriptions;
mod postman;
mod requests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use common::{
    access::reference_markdown as access_markdown,
    api::{Code, reference_html, reference_markdown},
    service::Service,
};
use serde_json::Value;

/// If this variable is 1, the tests write the files and do not compare them.
const UPDATE: &str = "UPDATE_OPENAPI";

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn assert_document_is_current<S: Service>() {
    let document: serde_json::Value = serde_json::from_str(&S::openapi()).unwrap();
    let document = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    assert_file_is_current(&docs().join("openapi").join(format!("{}.json", S::NAME)), &document);
}

#[track_caller]
fn assert_file_is_current(path: &Path, document: &str) {
    if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, document).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let line = committed.lines().zip(document.lines()).position(|(committed, current)| committed != current);
    assert!(
        committed == document,
        "{} differs from what the code generates, first at line {}; update it with\n  {UPDATE}=1 cargo nextest run -p tests openapi",
        path.canonicalize().unwrap_or(path.to_owned()).display(),
        line.map_or(committed.lines().count(), |line| line) + 1,
    );
}

#[test]
fn error_reference_is_current() {
    assert_file_is_current(&docs().join("errors.md"), &reference_markdown());
    for code in Code::ALL {
        for text in [code.meaning(), code.action()] {
            assert!(text.ends_with('.') && !text.contains("  "), "{code}: {text}");
        }
        assert!(reference_html().contains(&format!("<section id=\"{code}\">")), "{code}");
    }
}

#[test]
fn access_reference_is_current() {
    assert_file_is_current(&docs().join("access.md"), &access_markdown());
}

macro_rules! documents {
    ($($name:ident: $service:ty;)+) => {
        $(#[test] fn $name() { assert_document_is_current::<$service>(); })+

        /// The document of every service, with the name of the service.
        pub(super) fn all_documents() -> Vec<(&'static str, Value)> {
            vec![$((<$service>::NAME, serde_json::from_str(&<$service>::openapi()).unwrap())),+]
        }

        /// The default port of every service.
        pub(super) fn all_ports() -> BTreeMap<&'static str, u16> {
            BTreeMap::from([$((<$service>::NAME, <$service>::PORT)),+])
        }
    };
}

documents! {
    document_of_create_order_is_current: create_order::App;
    document_of_db_proxy_is_current: db_proxy::App;
    document_of_exchange_sim_is_current: exchange_sim::App;
    document_of_fetch_orders_is_current: fetch_orders::App;
    document_of_health_check_is_current: health_check::App;
    document_of_price_cache_proxy_is_current: price_cache_proxy::App;
    document_of_price_updater_is_current: price_updater::App;
    document_of_rates_is_current: rates::App;
    document_of_users_is_current: users::App;
    document_of_wallets_is_current: wallets::App;
}

/// An operation of a document.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    /// The HTTP method in lower case.
    pub(super) method: &'a str,
    pub(super) value: &'a Value,
}

impl<'a> Operation<'a> {
    pub(super) fn id(&self) -> &'a str {
        self.value["operationId"].as_str().unwrap()
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &'a Value> {
        self.value["parameters"].as_array().into_iter().flatten()
    }
}

pub(super) fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, value)| Operation { path, method, value })
    })
}
