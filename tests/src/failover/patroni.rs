//! A PostgreSQL cluster: three machines under Patroni in synchronous mode, etcd, and `HAProxy` in front of them.
//!
//! Each machine has three [`Link`]s: to etcd, to its PostgreSQL and to its Patroni. When they are cut, the machine
//! cannot reach etcd, and clients, `HAProxy` and the other machines cannot reach the machine. Only the requests of the
//! test to Patroni and PostgreSQL bypass the links.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::{
    Client,
    environment::required_variable,
    servers::{Link, Machine, Port},
    wait_until,
};

const MACHINES: usize = 3;
/// How long the cluster may take to start, to elect a primary, and to become redundant again.
const CLUSTER_LIMIT: Duration = Duration::from_secs(90);
const REQUEST_TIMEOUT: Duration = Duration::from_millis(1000);
/// Duration of the lease of the primary in seconds. Another machine is promoted when the lease of a failed primary
/// expires.
const LEASE_SECS: u32 = 5;

/// A fault of the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// All processes of the primary are killed.
    Kill,
    /// All processes of the primary are suspended. They continue after another machine was promoted.
    Freeze,
    /// The primary is cut off from the network. The links are restored after another machine was promoted.
    CutOff,
    /// An operator makes another machine the primary.
    Switchover,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Kill, Self::Freeze, Self::CutOff, Self::Switchover];
}

pub struct PatroniCluster {
    nodes: Vec<Node>,
    haproxy_port: Port,
    // Dropped after the nodes.
    _haproxy: Machine,
    _etcd: Machine,
    http: Client,
}

struct Node {
    machine: Machine,
    postgres: Port,
    api: Port,
    postgres_link: Link,
    api_link: Link,
    etcd_link: Link,
}

impl PatroniCluster {
    /// Starts the cluster, and returns when it is redundant.
    pub async fn start() -> Self {
        let etcd_port = Port::reserve();
        let etcd = start_etcd(&etcd_port);
        let mut nodes = Vec::new();
        for index in 0..MACHINES {
            let (postgres, api) = (Port::reserve(), Port::reserve());
            let mut node = Node {
                machine: Machine::new(),
                postgres_link: Link::start(postgres.address()).await,
                api_link: Link::start(api.address()).await,
                etcd_link: Link::start(etcd_port.address()).await,
                postgres,
                api,
            };
            node.machine.write("patroni.yml", &patroni_settings(index, &node).to_string());
            node.start();
            nodes.push(node);
        }
        let haproxy_port = Port::reserve();
        let haproxy = start_haproxy(&haproxy_port, &nodes);
        let mut cluster = Self { nodes, haproxy_port, _haproxy: haproxy, _etcd: etcd, http: Client::new("") };
        for node in &mut cluster.nodes {
            node.machine.assert_running();
        }
        cluster.wait_until_redundant().await;
        cluster
    }

    /// The database URL of `HAProxy`, which forwards to the primary.
    pub fn haproxy_url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.haproxy_port.address())
    }

    /// A database URL with the addresses of all machines.
    pub fn hosts_url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| node.postgres_link.address()).collect();
        format!("postgres://postgres@{}/postgres", hosts.join(","))
    }

    /// Waits until there are a primary, a synchronous standby and another standby. Returns the index of the primary.
    pub async fn wait_until_redundant(&self) -> usize {
        wait_until("the cluster is redundant", CLUSTER_LIMIT, async || {
            for node in &self.nodes {
                let Some(cluster) = node.get_json(&self.http, "/cluster").await else { continue };
                if let Some(primary) = primary_of_redundant(&cluster)
                    && self.nodes[primary].is_primary().await
                {
                    return Some(primary);
                }
            }
            None
        })
        .await
    }

    pub async fn inject(&mut self, primary: usize, fault: Fault) {
        let node = &mut self.nodes[primary];
        match fault {
            Fault::Kill => node.machine.kill().await,
            Fault::Freeze => node.machine.freeze(),
            Fault::CutOff => {
                for link in node.links() {
                    link.cut();
                }
            }
            Fault::Switchover => {
                let body = json!({ "leader": node_name(primary) }).to_string();
                // The response arrives only after the switchover.
                let request = self.http.json(node.api_url("/switchover"), body);
                tokio::spawn(request.send());
            }
        }
    }

    /// Waits until another machine is the primary.
    pub async fn wait_for_promotion(&self, old_primary: usize) {
        wait_until("another machine is promoted", CLUSTER_LIMIT, async || {
            for (index, node) in self.nodes.iter().enumerate() {
                if index != old_primary && node.is_primary().await {
                    return Some(());
                }
            }
            None
        })
        .await;
    }

    /// Ends the fault of the old primary, which becomes a standby.
    pub fn end_fault(&mut self, old_primary: usize, fault: Fault) {
        let node = &mut self.nodes[old_primary];
        match fault {
            Fault::Kill => node.start(),
            Fault::Freeze => node.machine.thaw(),
            Fault::CutOff => {
                for link in node.links() {
                    link.restore();
                }
            }
            Fault::Switchover => {}
        }
    }
}

impl Node {
    fn start(&mut self) {
        let settings = self.machine.path().join("patroni.yml");
        self.machine.start(&PathBuf::from(required_variable("TEST_PATRONI")), &[settings.to_str().unwrap()]);
    }

    fn links(&self) -> [&Link; 3] {
        [&self.postgres_link, &self.api_link, &self.etcd_link]
    }

    fn api_url(&self, path: &str) -> String {
        format!("{}{path}", self.api.url())
    }

    async fn get_json(&self, http: &Client, path: &str) -> Option<Value> {
        let response = http.request("GET", self.api_url(path)).timeout(REQUEST_TIMEOUT).send().await.ok()?;
        serde_json::from_slice(&response.bytes().await.ok()?).ok()
    }

    /// Whether PostgreSQL on this machine is a primary. The query goes directly to PostgreSQL, not through the link.
    async fn is_primary(&self) -> bool {
        let url = format!("postgres://postgres@{}/postgres", self.postgres.address());
        let query = async {
            let mut connection = PgConnection::connect(&url).await?;
            let in_recovery: bool = sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok::<_, sqlx::Error>(!in_recovery)
        };
        timeout(REQUEST_TIMEOUT, query).await.is_ok_and(|answer| answer.unwrap_or(false))
    }
}

fn node_name(index: usize) -> String {
    format!("node{index}")
}

/// The index of the primary in a response of `/cluster`. `None` unless all members work and one standby is synchronous.
fn primary_of_redundant(cluster: &Value) -> Option<usize> {
    let members = cluster["members"].as_array()?;
    let works = |member: &Value| member["state"] == "running" || member["state"] == "streaming";
    let has_role = |role: &str| members.iter().find(|member| member["role"] == role);
    if members.len() != MACHINES || !members.iter().all(works) || has_role("sync_standby").is_none() {
        return None;
    }
    let leader = has_role("leader")?;
    // A standby that follows an earlier timeline is not connected yet.
    if !members.iter().all(|member| member["timeline"] == leader["timeline"]) {
        return None;
    }
    (0..MACHINES).find(|index| leader["name"] == node_name(*index))
}

fn start_etcd(port: &Port) -> Machine {
    let (mut machine, peer_port) = (Machine::new(), Port::reserve());
    let (url, peer_url) = (port.url(), peer_port.url());
    let data = machine.path().join("data");
    let cluster = format!("witness={peer_url}");
    // With version 3 of etcd's API, Patroni 3.0 renews a lease without a comparison of its holder. A machine that was
    // frozen would take the lease back from the new primary.
    let arguments =
        ["--enable-v2", "--name", "witness", "--data-dir", data.to_str().unwrap(), "--listen-client-urls", &url];
    let more =
        ["--advertise-client-urls", &url, "--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url];
    let arguments: Vec<_> = arguments.into_iter().chain(more).chain(["--initial-cluster", &cluster]).collect();
    machine.start(&PathBuf::from(required_variable("TEST_ETCD")), &arguments);
    machine
}

/// The settings of Patroni. JSON is also YAML.
fn patroni_settings(index: usize, node: &Node) -> Value {
    let folder = node.machine.path().to_str().unwrap();
    json!({
        "scope": "buydesk",
        "name": node_name(index),
        "restapi": { "listen": node.api.address(), "connect_address": node.api_link.address() },
        // `use_proxies` disables discovery, which would find the address of etcd behind the link.
        "etcd": { "hosts": [node.etcd_link.address()], "use_proxies": true },
        "bootstrap": {
            "dcs": {
                "ttl": LEASE_SECS,
                "loop_wait": 1,
                "retry_timeout": 2,
                "synchronous_mode": true,
                // A primary whose PostgreSQL crashed is replaced instead of restarted.
                "primary_start_timeout": 0,
                "master_start_timeout": 0,
                "postgresql": { "use_pg_rewind": true, "use_slots": true },
            },
            "initdb": [{ "encoding": "UTF8" }, { "locale": "C" }, { "auth": "trust" }, "no-sync"],
        },
        "postgresql": {
            "listen": node.postgres.address(),
            "connect_address": node.postgres_link.address(),
            "data_dir": format!("{folder}/data"),
            "bin_dir": required_variable("TEST_POSTGRES_BIN"),
            "pgpass": format!("{folder}/pgpass"),
            "authentication": {
                "superuser": { "username": "postgres" },
                "replication": { "username": "postgres" },
                "rewind": { "username": "postgres" },
            },
            "parameters": {
                "unix_socket_directories": folder,
                "max_connections": 60,
                "shared_buffers": "16MB",
                "wal_receiver_timeout": "3s",
                "wal_sender_timeout": "3s",
            },
            "pg_hba": [
                "local all all trust",
                "host all all 127.0.0.1/32 trust",
                "host replication all 127.0.0.1/32 trust",
            ],
        },
    })
}

fn start_haproxy(port: &Port, nodes: &[Node]) -> Machine {
    let mut machine = Machine::new();
    let servers = nodes.iter().enumerate().map(|(index, node)| {
        let (address, check_port) = (node.postgres_link.address(), node.api_link.port());
        format!("  server {} {address} check port {check_port}\n", node_name(index))
    });
    let settings = format!(
        "global\n  maxconn 500\n\
         defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 30m\n  timeout server 30m\n  timeout check 1s\n\
         listen primary\n  bind {}\n  option httpchk OPTIONS /primary\n  http-check expect status 200\n\
         \x20 default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions\n{}",
        port.address(),
        servers.collect::<String>(),
    );
    let file = machine.write("haproxy.cfg", &settings);
    machine.start(&PathBuf::from(required_variable("TEST_HAPROXY")), &["-db", "-f", file.to_str().unwrap()]);
    machine
}
