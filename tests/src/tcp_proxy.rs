//! A TCP proxy that cuts connections when chosen bytes pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

const BUFFER_BYTES: usize = 64 * 1024;

/// The message that is lost when a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The matching request does not reach the target.
    Request,
    /// The request reaches the target and is processed. Its response does not reach the client.
    Response,
}

/// A fault that is triggered one time.
#[derive(Debug, Clone)]
struct Cut {
    /// Triggers when a client sends a chunk that contains these bytes.
    trigger: Vec<u8>,
    lost: Lost,
    /// Whether the cut also blocks every connection until [`TcpProxy::unblock`].
    blocks: bool,
}

#[derive(Debug, Default)]
struct State {
    cut: Option<Cut>,
    cuts: usize,
    is_blocked: bool,
    sent: Vec<u8>,
}

/// Forwards the connections on its port to one target address.
pub struct TcpProxy {
    address: String,
    state: Arc<Mutex<State>>,
    accept_task: JoinHandle<()>,
}

impl TcpProxy {
    /// Starts a proxy to the target, an address `host:port`.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        let accept_task = tokio::spawn(async move {
            // Every connection is closed when the task is dropped.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                // While the proxy is blocked or the target is unavailable, the client's connection is closed.
                let is_blocked = lock(&shared).is_blocked;
                if !is_blocked && let Ok(server) = TcpStream::connect(&target).await {
                    connections.spawn(forward_connection(client, server, shared.clone()));
                }
            }
        });
        Self { address, state, accept_task }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts the connection of the next client that sends `trigger`.
    pub fn cut_at(&self, trigger: &[u8], lost: Lost) {
        self.state().cut = Some(Cut { trigger: trigger.to_vec(), lost, blocks: false });
    }

    /// Loses the response to the next client that sends `trigger`, and blocks every connection until
    /// [`TcpProxy::unblock`].
    pub fn cut_at_and_block(&self, trigger: &[u8]) {
        self.state().cut = Some(Cut { trigger: trigger.to_vec(), lost: Lost::Response, blocks: true });
    }

    pub fn unblock(&self) {
        self.state().is_blocked = false;
    }

    /// The number of connections that were cut.
    pub fn cuts(&self) -> usize {
        self.state().cuts
    }

    /// Everything that clients have sent so far.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.state().sent).into_owned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.accept_task.abort();
    }
}

async fn forward_connection(client: TcpStream, server: TcpStream, state: Arc<Mutex<State>>) {
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut request, mut response) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let mut response_is_lost = false;
    loop {
        tokio::select! {
            read = from_client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                let chunk = &request[..length];
                let lost = record_chunk(&state, chunk);
                if lost == Some(Lost::Request) || to_server.write_all(chunk).await.is_err() {
                    return;
                }
                response_is_lost |= lost == Some(Lost::Response);
            }
            read = from_server.read(&mut response) => {
                let Ok(length @ 1..) = read else { return };
                // A response that is lost is dropped only here, after the target has processed the request.
                if response_is_lost || to_client.write_all(&response[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Records the bytes that a client sent. If they trigger a cut, returns what is lost.
fn record_chunk(state: &Mutex<State>, chunk: &[u8]) -> Option<Lost> {
    let mut state = lock(state);
    state.sent.extend_from_slice(chunk);
    if state.is_blocked {
        return Some(Lost::Request);
    }
    let cut = state.cut.take_if(|cut| chunk.windows(cut.trigger.len()).any(|part| part == cut.trigger))?;
    state.cuts += 1;
    state.is_blocked = cut.blocks;
    Some(cut.lost)
}
