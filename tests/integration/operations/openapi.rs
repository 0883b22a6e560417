//! The documents in `docs/openapi` equal the OpenAPI documents of the services.

use std::path::PathBuf;

use common::service::Service;

/// When this variable is 1, the test writes the documents instead of comparing them.
const UPDATE: &str = "UPDATE_OPENAPI";

fn path_of(service: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("docs/openapi").join(format!("{service}.json"))
}

fn assert_document_is_current<S: Service>() {
    let path = path_of(S::NAME);
    let document: serde_json::Value = serde_json::from_str(&S::openapi()).unwrap();
    let document = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, document).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let line = committed.lines().zip(document.lines()).position(|(committed, current)| committed != current);
    assert!(
        committed == document,
        "{} differs from the document of {}, first at line {}; update it with\n  {UPDATE}=1 cargo nextest run -p tests openapi",
        path.canonicalize().unwrap_or(path).display(),
        S::NAME,
        line.map_or(committed.lines().count(), |line| line) + 1,
    );
}

macro_rules! documents {
    ($($name:ident: $service:ty;)+) => { $(#[test] fn $name() { assert_document_is_current::<$service>(); })+ };
}

documents! {
    create_order: create_order::App;
    db_proxy: db_proxy::App;
    exchange_sim: exchange_sim::App;
    fetch_orders: fetch_orders::App;
    health_check: health_check::App;
    price_cache_proxy: price_cache_proxy::App;
    price_updater: price_updater::App;
    rates: rates::App;
}
