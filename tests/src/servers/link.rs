//! A network link to a server, which a test may cut or redirect.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::Port;

const BUFFER_BYTES: usize = 64 * 1024;

/// Forwards the connections on its own port to a target. While the link is cut, connections stay open and transfer
/// nothing, as during a failure of the network. Bytes that are sent while the link is cut arrive when it is restored.
pub struct Link {
    port: Port,
    target: Arc<Mutex<String>>,
    is_up: watch::Sender<bool>,
    accept_task: JoinHandle<()>,
}

impl Link {
    /// `target` is an address `host:port`.
    pub async fn start(target: String) -> Self {
        let port = Port::reserve();
        let listener = TcpListener::bind(port.address()).await.unwrap();
        let (is_up, state) = watch::channel(true);
        let target = Arc::new(Mutex::new(target));
        let current = target.clone();
        let accept_task = tokio::spawn(async move {
            // Every connection is closed when the task is dropped.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((client, _)) = accepted {
                            connections.spawn(forward(client, current.clone(), state.clone()));
                        }
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { port, target, is_up, accept_task }
    }

    pub fn address(&self) -> String {
        self.port.address()
    }

    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Forwards new connections to another target. Open connections keep their target.
    pub fn redirect(&self, target: String) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    pub fn cut(&self) {
        self.is_up.send_replace(false);
    }

    pub fn restore(&self) {
        self.is_up.send_replace(true);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accept_task.abort();
    }
}

/// Forwards in both directions, until each direction has ended.
async fn forward(client: TcpStream, target: Arc<Mutex<String>>, state: watch::Receiver<bool>) {
    wait_until_up(state.clone()).await;
    let target = target.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // If the target does not accept the connection, the connection of the client is closed.
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let requests = copy(from_client, to_server, state.clone());
    let responses = copy(from_server, to_client, state);
    let (_, _) = tokio::join!(requests, responses);
}

async fn wait_until_up(mut state: watch::Receiver<bool>) {
    // An error means that the link is dropped, which ends this task.
    let _ = state.wait_for(|is_up| *is_up).await;
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    state: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await;
        wait_until_up(state.clone()).await;
        match read {
            Ok(length @ 1..) => to.write_all(&buffer[..length]).await?,
            Ok(0) | Err(_) => return to.shutdown().await,
        }
    }
}
