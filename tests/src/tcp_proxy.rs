//! A wire between two parts that can be cut, also in the middle of a word.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

const BUFFER: usize = 64 * 1024;

/// Where a connection is cut, once.
#[derive(Debug, Clone)]
struct Cut {
    /// Cut when the client sends a piece that holds this.
    at: Vec<u8>,
    /// Whether that piece still arrives and is answered. The answer is lost.
    arrives: bool,
    /// Whether the whole wire stays cut from then on.
    stays: bool,
}

#[derive(Debug, Default)]
struct Plan {
    cut: Option<Cut>,
    cuts: usize,
    is_cut: bool,
    sent: Vec<u8>,
}

/// Passes bytes on between whoever connects to it and one address.
pub struct TcpProxy {
    address: String,
    plan: Arc<Mutex<Plan>>,
    pipes: JoinHandle<()>,
}

impl TcpProxy {
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let plan = Arc::<Mutex<Plan>>::default();
        let shared = plan.clone();
        let pipes = tokio::spawn(async move {
            // Dropped with the task, and every connection with it.
            let mut pipes = JoinSet::new();
            while let Ok((inside, _)) = listener.accept().await {
                // Where the target is away the connection just ends.
                let is_cut = locked(&shared).is_cut;
                if !is_cut && let Ok(outside) = TcpStream::connect(&target).await {
                    pipes.spawn(pass(inside, outside, shared.clone()));
                }
            }
        });
        Self { address, plan, pipes }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts the connection of the next client that sends `at`: before that arrives, or after it was answered and before
    /// the answer arrives.
    pub fn cut_at(&self, at: &[u8], arrives: bool) {
        self.plan().cut = Some(Cut { at: at.to_vec(), arrives, stays: false });
    }

    /// As [`Wire::cut_at`] with the answer lost, and then nothing passes until [`Wire::mend`].
    pub fn cut_for_good_at(&self, at: &[u8]) {
        self.plan().cut = Some(Cut { at: at.to_vec(), arrives: true, stays: true });
    }

    pub fn mend(&self) {
        self.plan().is_cut = false;
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.plan().cuts
    }

    /// Everything that clients sent so far.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.plan().sent).into_owned()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        locked(&self.plan)
    }
}

fn locked(plan: &Mutex<Plan>) -> MutexGuard<'_, Plan> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.pipes.abort();
    }
}

async fn pass(inside: TcpStream, outside: TcpStream, plan: Arc<Mutex<Plan>>) {
    let (_, _) = (inside.set_nodelay(true), outside.set_nodelay(true));
    let (mut from_client, mut to_client) = inside.into_split();
    let (mut from_server, mut to_server) = outside.into_split();
    let (mut question, mut answer) = (vec![0; BUFFER], vec![0; BUFFER]);
    let mut answer_is_lost = false;
    loop {
        tokio::select! {
            read = from_client.read(&mut question) => {
                let Ok(length @ 1..) = read else { return };
                let piece = &question[..length];
                let cut = note(&plan, piece);
                if cut.as_ref().is_some_and(|cut| !cut.arrives) || to_server.write_all(piece).await.is_err() {
                    return;
                }
                answer_is_lost |= cut.is_some();
            }
            read = from_server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                if answer_is_lost {
                    // It shows that the work was done; it goes no further.
                    return;
                }
                if to_client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Keeps what a client sent; the cut that is to be made here, if any.
fn note(plan: &Mutex<Plan>, piece: &[u8]) -> Option<Cut> {
    let mut plan = locked(plan);
    plan.sent.extend_from_slice(piece);
    if plan.is_cut {
        return Some(Cut { at: Vec::new(), arrives: false, stays: true });
    }
    let cut = plan.cut.take_if(|cut| piece.windows(cut.at.len()).any(|part| part == cut.at));
    plan.cuts += usize::from(cut.is_some());
    plan.is_cut = cut.as_ref().is_some_and(|cut| cut.stays);
    cut
}
