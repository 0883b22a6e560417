//! PostgreSQL under Patroni and Redis under Sentinel fail over while clients place orders and move money.
//! `tests/load/failover` runs longer.

use tests::failover::{self, Fault, Plan};

const SEED: u64 = 1;

/// Starts two clusters, which takes 15 seconds. Injects each fault of PostgreSQL once, and kills the master of Redis
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failovers_violate_no_invariant() {
    let report = Box::pin(failover::run(Plan { faults: Fault::ALL.to_vec(), seed: SEED })).await;
    eprintln!("{}", report.summary());
    assert!(report.violations.is_empty(), "{}", report.violations.join("\n"));
    assert!(report.acknowledged > 0, "no order was acknowledged");
    assert!(report.not_final > 0, "no failover affected a request");
    assert!(report.reads > 0, "no order was read");
    assert!(report.moved > 0, "no money moved");
}
