//! A Redis cluster: a master with two replicas, each on a machine with a Sentinel.

use std::{path::PathBuf, time::Duration};

use tokio::time::timeout;

use super::Fault;
use crate::{
    environment::required_variable,
    servers::{Machine, Port, redis_command},
    wait_until,
};

const MACHINES: usize = 3;
const MASTER: &str = "prices";
const CLUSTER_LIMIT: Duration = Duration::from_secs(60);
const COMMAND_TIMEOUT: Duration = Duration::from_millis(500);

pub struct SentinelCluster {
    nodes: Vec<Node>,
}

struct Node {
    machine: Machine,
    redis: Port,
    sentinel: Port,
}

impl SentinelCluster {
    /// Starts the cluster, and returns when it is redundant.
    pub async fn start() -> Self {
        let node = |_| Node { machine: Machine::new(), redis: Port::reserve(), sentinel: Port::reserve() };
        let mut nodes: Vec<_> = (0..MACHINES).map(node).collect();
        let master_port = nodes[0].redis.number;
        for (index, node) in nodes.iter_mut().enumerate() {
            let replica = if index == 0 { String::new() } else { format!("replicaof 127.0.0.1 {master_port}\n") };
            let settings = format!(
                "bind 127.0.0.1\nport {}\ndir {}\nsave \"\"\nappendonly no\n{replica}",
                node.redis.number,
                node.machine.path().display()
            );
            node.machine.write("redis.conf", &settings);
            let settings = format!(
                "bind 127.0.0.1\nport {}\ndir {}\n\
                 sentinel monitor {MASTER} 127.0.0.1 {master_port} 2\n\
                 sentinel down-after-milliseconds {MASTER} 1500\n\
                 sentinel failover-timeout {MASTER} 5000\n",
                node.sentinel.number,
                node.machine.path().display()
            );
            node.machine.write("sentinel.conf", &settings);
            node.start();
        }
        let cluster = Self { nodes };
        cluster.wait_until_redundant().await;
        cluster
    }

    /// The value for `REDIS_URL`.
    pub fn url(&self) -> String {
        let sentinels: Vec<_> = self.nodes.iter().map(|node| node.sentinel.address()).collect();
        format!("redis+sentinel://{}/{MASTER}", sentinels.join(","))
    }

    /// Waits until there is one master and all other servers replicate it. Returns the index of the master.
    pub async fn wait_until_redundant(&self) -> usize {
        wait_until("the Redis cluster is redundant", CLUSTER_LIMIT, async || {
            let mut masters = Vec::new();
            for (index, node) in self.nodes.iter().enumerate() {
                let role = run_command(&node.redis, &["INFO", "REPLICATION"]).await?;
                let works = role.contains("master_link_status:up") || role.contains("connected_slaves:2");
                if !works {
                    return None;
                }
                if role.contains("role:master") {
                    masters.push(index);
                }
                // The Sentinels can agree on a failover only after they have discovered each other.
                let quorum = run_command(&node.sentinel, &["SENTINEL", "CKQUORUM", MASTER]).await?;
                let master = run_command(&node.sentinel, &["INFO", "SENTINEL"]).await?;
                if !quorum.starts_with("+OK") || !master.contains("slaves=2,sentinels=3") {
                    return None;
                }
            }
            (masters.len() == 1).then(|| masters[0])
        })
        .await
    }

    /// Kills the master if the fault is [`Fault::Kill`]. Freezes it for every other fault.
    pub async fn inject(&mut self, master: usize, fault: Fault) {
        let machine = &mut self.nodes[master].machine;
        if fault == Fault::Kill { machine.kill().await } else { machine.freeze() }
    }

    /// Waits until another server is the master.
    pub async fn wait_for_promotion(&self, old_master: usize) {
        wait_until("another Redis server is promoted", CLUSTER_LIMIT, async || {
            for (index, node) in self.nodes.iter().enumerate() {
                if index != old_master {
                    let role = run_command(&node.redis, &["INFO", "REPLICATION"]).await.unwrap_or_default();
                    if role.contains("role:master") {
                        return Some(());
                    }
                }
            }
            None
        })
        .await;
    }

    pub fn end_fault(&mut self, old_master: usize, fault: Fault) {
        let node = &mut self.nodes[old_master];
        if fault == Fault::Kill { node.start() } else { node.machine.thaw() }
    }
}

impl Node {
    fn start(&mut self) {
        let program = PathBuf::from(required_variable("TEST_REDIS_SERVER"));
        let path = |name: &str| self.machine.path().join(name).to_str().unwrap().to_owned();
        let (redis, sentinel) = (path("redis.conf"), path("sentinel.conf"));
        self.machine.start(&program, &[&redis]);
        self.machine.start(&program, &[&sentinel, "--sentinel"]);
    }
}

/// The reply to a command. `None` if the server does not respond.
async fn run_command(port: &Port, words: &[&str]) -> Option<String> {
    timeout(COMMAND_TIMEOUT, redis_command(&port.address(), words)).await.ok()?.ok()
}
