//! One running service: in this process, or as the real binary in a process of its own.

use std::{collections::BTreeMap, future::Future, path::PathBuf, pin::Pin, time::Duration};

use common::{config::Env, config::port_variable, service::Service};
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    client::Client,
    environment::binary_path,
    servers::{Port, Process},
    wait_until,
};

const START_LIMIT: Duration = Duration::from_secs(20);

pub type Variables = BTreeMap<String, String>;
type StartFuture = Pin<Box<dyn Future<Output = Task> + Send>>;

struct Task {
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
}

enum State {
    Down,
    Task(Task),
    Process(Process),
}

/// A service on a port that it keeps over a restart.
pub struct Instance {
    pub name: &'static str,
    port: Port,
    variables: Variables,
    start: fn(Env, u16) -> StartFuture,
    /// Where the process works, where it is to be one.
    folder: Option<PathBuf>,
    state: Mutex<State>,
}

/// The number of a port.

impl Instance {
    /// A service that is not started yet.
    pub fn new<S: Service + 'static>(port: Port, variables: Variables, folder: Option<PathBuf>) -> Self {
        let start = |env, port| -> StartFuture { Box::pin(start_in_process::<S>(env, port)) };
        Self { name: S::NAME, port, variables, start, folder, state: Mutex::new(State::Down) }
    }

    /// One more instance of the same service, with some variables set differently. It is not started yet.
    #[must_use]
    pub fn another(&self, different: &[(&str, &str)]) -> Self {
        let mut variables = self.variables.clone();
        variables.extend(different.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (folder, state) = (self.folder.clone(), Mutex::new(State::Down));
        Self { name: self.name, port: Port::lease(), variables, start: self.start, folder, state }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.port.url())
    }

    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Starts; it listens when this returns.
    pub async fn start(&self) {
        let mut state = self.state.lock().await;
        assert!(matches!(*state, State::Down), "{} runs already", self.name);
        let mut variables = self.variables.clone();
        variables.insert(port_variable(self.name), self.port.number.to_string());
        *state = match &self.folder {
            None => State::Task((self.start)(Env::from_pairs(variables), self.port.number).await),
            Some(folder) => {
                let mut process = Process::start(&binary_path(self.name), &[], &variables, folder, None);
                let (client, livez) = (Client::new(""), self.url("/livez"));
                wait_until("a service listens", START_LIMIT, async || {
                    if let Some(status) = process.has_ended() {
                        panic!("{} ended: {status}\n{}", self.name, process.log());
                    }
                    client.request("GET", &livez).send().await.ok()
                })
                .await;
                State::Process(process)
            }
        };
    }

    /// Ends in good order, as by a SIGTERM, and returns when it has.
    pub async fn stop(&self) {
        match std::mem::replace(&mut *self.state.lock().await, State::Down) {
            State::Down => panic!("{} does not run", self.name),
            State::Task(Task { stop, served }) => {
                stop.cancel();
                served.await.unwrap().unwrap();
            }
            State::Process(process) => {
                let status = process.end("TERM").await;
                assert!(status.success(), "{} ended: {status}", self.name);
            }
        }
    }

    /// `kill -9`, for an instance in a process of its own.
    pub async fn kill(&self) {
        match std::mem::replace(&mut *self.state.lock().await, State::Down) {
            State::Process(process) => drop(process.end("KILL").await),
            _ => panic!("{} does not run in a process of its own", self.name),
        }
    }

    /// Waits until `/readyz` answers 200.
    pub async fn wait_until_ready(&self) {
        let (client, readyz) = (Client::new(""), self.url("/readyz"));
        let mut last = String::new();
        let start = std::time::Instant::now();
        while start.elapsed() < START_LIMIT {
            match client.request("GET", &readyz).send().await {
                Ok(response) if response.status().is_success() => return,
                Ok(response) => last = response.text().await.unwrap_or_default(),
                Err(error) => last = format!("{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{} does not become ready: {last}", self.name);
    }
}

async fn start_in_process<S: Service + 'static>(mut env: Env, port: u16) -> Task {
    let config = S::configure(&mut env);
    env.finish().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let service = S::build(config, listener).await.unwrap();
    assert_eq!(service.address().unwrap().port(), port);
    let stop = CancellationToken::new();
    let served = tokio::spawn(service.run_until(stop.clone()));
    Task { stop, served }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let State::Task(Task { stop, served }) = self.state.get_mut() {
            stop.cancel();
            served.abort();
        }
    }
}
