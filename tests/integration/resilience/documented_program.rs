//! The program of `docs/outcome-unknown.md` places its order exactly once, even if its first request fails.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use serde_json::Value;
use tests::{
    Platform, Stack, on_both_stacks,
    platform::ORDERS_PATH,
    reconciliation::assert_reconciled,
    tcp_proxy::{Lost, TcpProxy},
    wait_until,
};

on_both_stacks!(documented_program_places_its_order_once);

/// Maximum time until the program reports an unknown outcome, or exits. The program waits one second before its first
/// retry, and longer before later retries.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program. It is killed when the test fails.
struct Program {
    child: Child,
    output: PathBuf,
    messages: PathBuf,
}

impl Program {
    /// Starts the program of the page with the address of create-order.
    fn start(folder: &Path, create_order: &str) -> Self {
        let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/outcome-unknown.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, program) = page.split_once("```python\n").unwrap();
        let (program, _) = program.split_once("```").unwrap();
        let (output, messages) = (folder.join("output"), folder.join("messages"));
        let mut command = Command::new("python3");
        command.args(["-c", program, create_order]);
        command.stdout(File::create(&output).unwrap()).stderr(File::create(&messages).unwrap());
        Self { child: command.spawn().unwrap(), output, messages }
    }

    fn messages(&self) -> String {
        std::fs::read_to_string(&self.messages).unwrap()
    }

    /// Waits until the program exits, and returns the order that it printed.
    async fn order(&mut self) -> Value {
        let status = wait_until("the program exits", LIMIT, async || self.child.try_wait().unwrap()).await;
        assert!(status.success(), "{}", self.messages());
        serde_json::from_slice(&std::fs::read(&self.output).unwrap()).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn documented_program_places_its_order_once(stack: Stack) {
    let platform = Platform::start(stack).await;
    let proxy = TcpProxy::start(platform.create_order.address()).await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];

    // The order is placed, and the response is lost.
    proxy.cut_at(ORDERS_PATH.as_bytes(), Lost::Response);
    let mut program = Program::start(folders[0].path(), &proxy.url());
    let first = program.order().await;
    assert!(proxy.cuts() == 1 && program.messages().starts_with("not decided yet: "), "{}", program.messages());

    // While db-proxy is stopped, create-order cannot determine whether an earlier request has placed the order.
    platform.db_proxy.stop().await;
    let mut program = Program::start(folders[1].path(), &platform.create_order.url(""));
    wait_until("the outcome is unknown", LIMIT, async || {
        program.messages().contains("not decided yet: outcome_unknown").then_some(())
    })
    .await;
    platform.db_proxy.start().await;
    assert_reconciled(&platform, &[first, program.order().await]).await;
}
