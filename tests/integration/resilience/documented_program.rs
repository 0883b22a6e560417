//! The program of `docs/outcome-unknown.md` places its order exactly once, even if its first requests fail.

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
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

on_both_stacks!(documented_program_places_its_order_once);

/// Maximum time until the program reports an unknown outcome, or exits. The program waits one second before its first
/// retry, and longer before later retries.
const LIMIT: Duration = Duration::from_secs(60);

/// A running program. The process is killed when this value is dropped.
struct Program {
    child: Child,
    output: PathBuf,
    messages: PathBuf,
}

impl Program {
    /// Starts the program in `docs/outcome-unknown.md`, with the URL of create-order as its argument.
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

    /// Waits until the program exits. Returns whether it succeeded.
    async fn succeeds(&mut self) -> bool {
        wait_until("the program exits", LIMIT, async || self.child.try_wait().unwrap()).await.success()
    }

    /// Waits until the program exits, and returns the order that it printed.
    async fn order(&mut self) -> Value {
        assert!(self.succeeds().await, "{}", self.messages());
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

/// Starts a proxy that sends each of `responses` on its own connection, and forwards the next connection to `target`.
/// Returns the URL of the proxy.
async fn start_failing_proxy(responses: &'static [&'static str], target: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for response in responses {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert_ne!(client.read_buf(&mut request).await.unwrap(), 0, "the request is incomplete");
            }
            client.write_all(response.as_bytes()).await.unwrap();
        }
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(target).await.unwrap();
        let _ = copy_bidirectional(&mut client, &mut server).await;
    });
    url
}

#[tokio::test]
async fn documented_program_handles_responses_of_a_failing_proxy() {
    let platform = Platform::start(Stack::Embedded).await;
    let folder = tempfile::tempdir().unwrap();
    let responses = &[
        "HTTP/1.1 502 Bad Gateway\r\nretry-after: Fri, 27 Nov 2026 08:00:00 GMT\r\nconnection: close\r\n\r\n<html>",
        "HTTP/1.1 201 Created\r\ncontent-length: 500\r\nconnection: close\r\n\r\n{",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>",
    ];
    let mut program =
        Program::start(folder.path(), &start_failing_proxy(responses, platform.create_order.address()).await);
    let order = program.order().await;
    let messages = program.messages();
    assert_eq!(messages.matches("not decided yet: ").count(), responses.len(), "{messages}");
    assert!(messages.contains("status 502") && messages.contains("IncompleteRead"), "{messages}");
    assert_reconciled(&platform, &[order]).await;

    // A 400 of a proxy does not prove that the order was not placed.
    let responses = &["HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n<html>"];
    let mut program =
        Program::start(folder.path(), &start_failing_proxy(responses, platform.create_order.address()).await);
    assert!(!program.succeeds().await);
    assert!(program.messages().contains("PermissionError: correct this"), "{}", program.messages());
}
