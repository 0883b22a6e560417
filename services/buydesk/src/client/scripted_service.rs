//! A service for tests that sends scripted responses.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use common::config::Env;
use serde_json::{Value, json};

use super::ApiClient;
use crate::cli::{Addresses, CredentialOptions};

/// A response, or none.
#[derive(Debug, Clone)]
pub enum Reply {
    Success(Value),
    /// The text of a problem document. The status is always 503.
    Problem(String),
    /// The service closes the connection without a response.
    NoResponse,
}

/// A running service. Its response to `/readyz` reports that db-proxy is not ready.
pub struct ScriptedService {
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedService {
    /// Starts the service. It sends these replies one after the other, and then closes connections without a response.
    /// A success is marked as replayed if an earlier success had the same idempotency key.
    pub fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let received = requests.clone();
        thread::spawn(move || {
            let mut replies = replies.into_iter();
            let mut made = HashSet::new();
            for mut connection in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(&mut connection);
                let mut head = String::new();
                while reader.read_line(&mut head).unwrap_or(0) > 2 {}
                let length =
                    head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                let _ = reader.read_exact(&mut body);
                let reply = if head.starts_with("GET /readyz") {
                    let database = json!({ "name": "db-proxy", "ready": false, "detail": "PostgreSQL at 10.0.0.7:5432 cannot be reached" });
                    Reply::Problem(json!({ "ready": false, "parts": [database] }).to_string())
                } else {
                    received.lock().unwrap().push(format!("{head}{}", String::from_utf8_lossy(&body)));
                    replies.next().unwrap_or(Reply::NoResponse)
                };
                let key = head
                    .lines()
                    .find_map(|line| Some(line.to_lowercase().strip_prefix("idempotency-key: ")?.to_owned()));
                let mut replayed = "";
                let (status, response) = match reply {
                    Reply::Success(body) => {
                        if key.is_some_and(|key| !made.insert(key)) {
                            replayed = "\r\nidempotency-replayed: true";
                        }
                        ("200 OK", body.to_string())
                    }
                    Reply::Problem(problem) => ("503 Service Unavailable", problem),
                    Reply::NoResponse => continue,
                };
                let head = format!("HTTP/1.1 {status}\r\nconnection: close{replayed}");
                let _ = write!(connection, "{head}\r\ncontent-length: {}\r\n\r\n{response}", response.len());
            }
        });
        Self { address, requests }
    }

    /// The requests so far, except those for `/readyz`, each with its head and its body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A client that uses this service for wallets and for the public address.
    pub fn client(&self, settings: &[(&str, &str)]) -> ApiClient {
        let settings = settings.iter().copied().chain([("BIND_HOST", "127.0.0.1"), ("WALLETS_URL", &self.address)]);
        let settings = settings.chain([("BUYDESK_URL", self.address.as_str())]);
        ApiClient::new(Env::from_pairs(settings), Addresses::default(), CredentialOptions::default()).unwrap()
    }
}
