//! The process of `buydesk up`, with its own ports and its own working directory.

use std::{collections::BTreeMap, process::ExitStatus, time::Duration};

use common::{config::port_variable, service::Service};
use tempfile::TempDir;

use crate::{
    client::Client,
    environment::binary_path,
    platform::reserve_ports,
    servers::{Port, Process},
    wait_until,
};

const START_LIMIT: Duration = Duration::from_secs(30);

/// A running `buydesk up --demo`. Its working directory is a temporary folder, which contains the database unless
/// `DATABASE_URL` is set.
pub struct BuydeskUp {
    process: Process,
    ports: BTreeMap<&'static str, Port>,
    pub token: String,
    folder: TempDir,
}

impl BuydeskUp {
    /// Starts the process and returns when orders can be placed.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(TempDir::new().unwrap(), settings).await
    }

    /// Like [`BuydeskUp::start`], but in this working directory.
    pub async fn start_in(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let ports = reserve_ports();
        let token = uuid::Uuid::new_v4().to_string();
        let mut variables: BTreeMap<String, String> =
            ports.iter().map(|(name, port)| (port_variable(name), port.number.to_string())).collect();
        variables.insert("INTERNAL_TOKEN".to_owned(), token.clone());
        variables.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let program = binary_path("buydesk");
        let mut process = Process::start(&program, &["up", "--demo"], &variables, folder.path(), None);
        let (client, readyz) = (Client::new(""), ports[create_order::App::NAME].url() + "/readyz");
        wait_until("orders can be placed", START_LIMIT, async || {
            if let Some(status) = process.exit_status() {
                panic!("buydesk up exited: {status}\n{}", process.log_tail());
            }
            client.request("GET", &readyz).send().await.ok().filter(|response| response.status().is_success())
        })
        .await;
        Self { process, ports, token, folder }
    }

    pub fn address(&self, service: &str) -> String {
        self.ports[service].address()
    }

    /// The working directory.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.process.exit_status().is_none()
    }

    /// Kills the process with SIGKILL. Returns the working directory.
    pub async fn kill(self) -> TempDir {
        self.process.end("KILL").await;
        self.folder
    }

    /// Sends SIGTERM and waits until the process exits.
    pub async fn stop(self) -> ExitStatus {
        self.stop_and_keep_folder().await.0
    }

    /// Like [`BuydeskUp::stop`], and also returns the working directory.
    pub async fn stop_and_keep_folder(self) -> (ExitStatus, TempDir) {
        (self.process.end("TERM").await, self.folder)
    }
}
