//! What `tests/run` gives to the tests.

use std::path::PathBuf;

/// A variable that `tests/run` sets. A test that needs a server never runs without it, and never passes without it.
pub fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with tests/run, which starts the servers that they need")
    })
}

/// A binary of this workspace, as `cargo build --workspace` leaves it beside the test's own.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    // target/debug/deps/integration-… → target/debug
    let folder = own.ancestors().nth(2).expect("a test lies in a folder of the target folder");
    let path = folder.join(name);
    assert!(path.is_file(), "{} is not built: run the tests with tests/run, which builds it first", path.display());
    path
}
