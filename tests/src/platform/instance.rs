//! One instance of a service, in the test process or as the real binary in its own process.

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    time::{Duration, Instant},
};

use common::{
    config::{Env, port_variable},
    server::{Listener, ServerConfig},
    service::Service,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::process_clock::ProcessClock;
use crate::{
    client::Client,
    environment::binary_path,
    servers::{Port, Process},
    wait_until,
};

const START_LIMIT: Duration = Duration::from_secs(20);
const READINESS_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Environment variables of a service, by name.
pub type Variables = BTreeMap<String, String>;
type StartFuture = Pin<Box<dyn Future<Output = RunningTask> + Send>>;

/// A service that runs in the test process.
struct RunningTask {
    stop: CancellationToken,
    handle: JoinHandle<anyhow::Result<()>>,
}

enum State {
    Stopped,
    Task(RunningTask),
    Process(Process),
}

/// An instance of a service. A restart does not change its port.
pub struct Instance {
    pub name: &'static str,
    port: Port,
    variables: Variables,
    start_in_test_process: fn(Env, u16) -> StartFuture,
    /// The working directory of the process. `None` if the service runs in the test process.
    process_folder: Option<PathBuf>,
    /// The folder with the binary of another release. `None` if the binary of this build is used.
    programs: std::sync::Mutex<Option<PathBuf>>,
    /// A program and its arguments that start the binary. Empty if the binary is started directly.
    launcher: Vec<String>,
    /// The clock of the process, if the test sets it.
    clock: Option<ProcessClock>,
    state: Mutex<State>,
}

impl Instance {
    /// An instance that is not started. With `process_folder` it runs as a process with that working directory.
    pub fn new<S: Service + 'static>(port: Port, variables: Variables, process_folder: Option<PathBuf>) -> Self {
        let start_in_test_process = |env, port| -> StartFuture { Box::pin(start_in_test_process::<S>(env, port)) };
        let (name, state, programs) = (S::NAME, Mutex::new(State::Stopped), std::sync::Mutex::default());
        let launcher = Vec::new();
        Self { name, port, variables, start_in_test_process, process_folder, programs, launcher, clock: None, state }
    }

    /// Gives the instance a clock that [`Instance::set_clock_offset`] sets. The instance must have a process folder,
    /// and must not run yet.
    #[must_use]
    pub fn with_own_clock(mut self) -> Self {
        let folder = self.process_folder.as_ref().expect("an instance with its own clock runs as a process");
        self.clock = Some(ProcessClock::new(folder, &format!("{}-{}", self.name, self.port.number)));
        self
    }

    /// Sets the wall clock of the process this many seconds ahead of the real time, or behind it if the number is
    /// negative. The monotonic clock of the process does not change. Panics unless the instance has its own clock.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.clock.as_ref().expect("the instance has its own clock").set_offset(seconds);
    }

    /// Starts the binary through this program and its arguments. The program must replace itself by the binary.
    ///
    /// The instance must have a process folder.
    pub fn set_launcher(&mut self, launcher: Vec<String>) {
        assert!(self.process_folder.is_some(), "{} does not run in its own process", self.name);
        self.launcher = launcher;
    }

    /// From the next start on, uses the binary of another release in this folder. `None` means the binary of this
    /// build.
    pub fn use_programs_of(&self, folder: Option<PathBuf>) {
        *self.programs.lock().unwrap() = folder;
    }

    fn binary(&self) -> PathBuf {
        match &*self.programs.lock().unwrap() {
            Some(folder) => folder.join(self.name),
            None => binary_path(self.name),
        }
    }

    /// The id of the process. Panics unless the instance runs in its own process.
    pub async fn process_id(&self) -> u32 {
        match &*self.state.lock().await {
            State::Process(process) => process.id(),
            State::Stopped | State::Task(_) => panic!("{} does not run in its own process", self.name),
        }
    }

    /// A second instance of the same service on its own port, with some variables changed. It is not started, and
    /// has no launcher.
    #[must_use]
    pub fn another(&self, changed_variables: &[(&str, &str)]) -> Self {
        self.another_at(Port::reserve(), changed_variables)
    }

    /// Like [`Instance::another`], but on this port, for an instance whose address other services receive before it
    /// exists.
    #[must_use]
    pub fn another_at(&self, port: Port, changed_variables: &[(&str, &str)]) -> Self {
        let mut variables = self.variables.clone();
        variables.extend(changed_variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let another = Self {
            name: self.name,
            port,
            variables,
            start_in_test_process: self.start_in_test_process,
            process_folder: self.process_folder.clone(),
            programs: std::sync::Mutex::new(self.programs.lock().unwrap().clone()),
            launcher: Vec::new(),
            clock: None,
            state: Mutex::new(State::Stopped),
        };
        if self.clock.is_some() { another.with_own_clock() } else { another }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.port.url())
    }

    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Starts the service and returns when it listens.
    pub async fn start(&self) {
        let mut state = self.state.lock().await;
        assert!(matches!(*state, State::Stopped), "{} is already running", self.name);
        let mut variables = self.variables.clone();
        variables.insert(port_variable(self.name), self.port.number.to_string());
        *state = match &self.process_folder {
            None => State::Task((self.start_in_test_process)(Env::from_pairs(variables), self.port.number).await),
            Some(folder) => {
                variables.extend(self.clock.iter().flat_map(ProcessClock::variables));
                let binary = self.binary();
                let mut command: Vec<&str> = self.launcher.iter().map(String::as_str).collect();
                command.push(binary.to_str().expect("the path of a binary is UTF-8"));
                let mut process = Process::start(Path::new(command[0]), &command[1..], &variables, folder, None);
                let (client, livez) = (Client::new(""), self.url("/livez"));
                wait_until("the service listens", START_LIMIT, async || {
                    if let Some(status) = process.exit_status() {
                        panic!("{} exited: {status}\n{}", self.name, process.log_tail());
                    }
                    client.request("GET", &livez).send().await.ok()
                })
                .await;
                State::Process(process)
            }
        };
    }

    /// Shuts the service down gracefully, as SIGTERM does, and returns when it has exited.
    pub async fn stop(&self) {
        match std::mem::replace(&mut *self.state.lock().await, State::Stopped) {
            State::Stopped => panic!("{} is not running", self.name),
            State::Task(RunningTask { stop, handle }) => {
                stop.cancel();
                handle.await.unwrap().unwrap();
            }
            State::Process(process) => {
                let status = process.end("TERM").await;
                assert!(status.success(), "{} exited: {status}", self.name);
            }
        }
    }

    /// Sends SIGTERM, and returns without waiting. [`Instance::stop`] sends it again, and waits. Panics unless the
    /// instance runs in its own process.
    pub async fn begin_stop(&self) {
        self.signal("TERM").await;
    }

    /// Kills the process with SIGKILL. Panics unless the instance runs in its own process.
    pub async fn kill(&self) {
        match std::mem::replace(&mut *self.state.lock().await, State::Stopped) {
            State::Process(process) => drop(process.end("KILL").await),
            State::Stopped | State::Task(_) => panic!("{} does not run in its own process", self.name),
        }
    }

    /// Suspends the process. Its connections stay open, and it does not respond until [`Instance::thaw`]. Panics unless
    /// the instance runs in its own process.
    pub async fn freeze(&self) {
        self.signal("STOP").await;
    }

    pub async fn thaw(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, signal: &str) {
        match &*self.state.lock().await {
            State::Process(process) => process.signal_all(signal),
            State::Stopped | State::Task(_) => panic!("{} does not run in its own process", self.name),
        }
    }

    /// The component of this name in the response of `/readyz`. Null if there is none.
    pub async fn component(&self, name: &str) -> Value {
        let readiness = Client::new("").get(self.url("/readyz")).await;
        let readiness: Value = serde_json::from_slice(&readiness.body).unwrap();
        let components = readiness["parts"].as_array().unwrap();
        components.iter().find(|component| component["name"] == name).cloned().unwrap_or_default()
    }

    /// Waits until `/readyz` returns 200.
    pub async fn wait_until_ready(&self) {
        let (client, readyz) = (Client::new(""), self.url("/readyz"));
        let mut last_result = String::new();
        let start = Instant::now();
        while start.elapsed() < START_LIMIT {
            match client.request("GET", &readyz).send().await {
                Ok(response) if response.status().is_success() => return,
                Ok(response) => last_result = response.text().await.unwrap_or_default(),
                Err(error) => last_result = format!("{error:?}"),
            }
            tokio::time::sleep(READINESS_POLL_INTERVAL).await;
        }
        panic!("{} is not ready after {START_LIMIT:?}: {last_result}", self.name);
    }
}

async fn start_in_test_process<S: Service + 'static>(mut env: Env, port: u16) -> RunningTask {
    let config = S::configure(&mut env);
    let server_config = ServerConfig::from_env(&mut env);
    env.finish().unwrap();
    let listener = Listener::new(TcpListener::bind(("127.0.0.1", port)).await.unwrap(), server_config);
    let service = S::build(config, listener).await.unwrap();
    assert_eq!(service.address().unwrap().port(), port);
    let stop = CancellationToken::new();
    let handle = tokio::spawn(service.run_until(stop.clone()));
    RunningTask { stop, handle }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let State::Task(RunningTask { stop, handle }) = self.state.get_mut() {
            stop.cancel();
            handle.abort();
        }
    }
}
