//! Replaces each part of a deployment on PostgreSQL and Redis while requests arrive at a fixed rate. The deployment has
//! two instances of each service except health-check, and nginx in front of the public services. No request that is
//! safe to repeat may fail, and the histories of orders and wallets must agree with the database.

mod deployment;
mod figures;
mod load;

use common::money::Sats;

use self::{deployment::Deployment, load::Load};
use crate::{
    history::{StoredState, Violation, check_history},
    process_kills::{verify_journal, wait_for_release},
    wallet_history::{EntryTimes, Orders, StoredJournal, check_wallets},
};

/// The limit over all orders. It is high enough for every order of a run.
const LIMIT: &str = "20000000";

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Requests per second.
    pub rate: u32,
    /// The number of rounds. Each round replaces one instance of each service, reloads nginx, and replaces the program
    /// of nginx. The instances of a service take turns.
    pub rounds: usize,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// A line for each part: its requests, its failures, and its slowest response.
    pub figures: String,
    /// Descriptions of the first failed requests that are safe to repeat.
    pub failures: Vec<String>,
    pub failed: u64,
    pub requests: u64,
    /// Orders and movements of money that were acknowledged.
    pub acknowledged: usize,
    /// The violations that the checks of the histories found.
    pub violations: Vec<String>,
}

/// Runs the plan on a new database. Passes each line of progress to `print`.
pub async fn run(plan: Plan, print: impl Fn(String)) -> Report {
    let deployment = Deployment::start().await;
    let load = Load::start(&deployment.platform, &deployment.nginx, plan.rate).await;
    load.wait_for_a_second().await;
    for round in 0..plan.rounds {
        for part in deployment.parts() {
            load.begin_part(part.name);
            deployment.replace(&part, round, &load).await;
            print(format!("round {round}: {}", load.figures_of(part.name)));
        }
        load.begin_part("nginx, reload");
        deployment.nginx.reload().await;
        load.wait_for_a_second().await;
        print(format!("round {round}: {}", load.figures_of("nginx, reload")));
        load.begin_part("nginx, new program");
        deployment.nginx.replace_program().await;
        load.wait_for_a_second().await;
        print(format!("round {round}: {}", load.figures_of("nginx, new program")));
    }
    let finished = load.stop().await;

    let url = deployment.platform.database.url();
    wait_for_release(&url).await;
    finished.progress.wallets.record_verification(verify_journal(&deployment.platform).await);
    let (history, wallet_history) =
        (finished.progress.history.take_history(), finished.progress.wallets.take_history());
    let stored = StoredState::read(&url).await.unwrap();
    let journal = StoredJournal::read(&url).await.unwrap();
    // `LimitNotProbed` is expected, because the run does not reach the limit.
    let of_orders = check_history(&history, &stored, LIMIT.parse::<Sats>().unwrap());
    let of_orders = of_orders.iter().filter(|violation| !matches!(violation, Violation::LimitNotProbed));
    let orders = Orders { attempts: &history.attempts, stored: &stored.orders };
    let of_wallets = check_wallets(&wallet_history, &journal, orders, EntryTimes::Comparable);
    let violations = of_orders.map(|violation| history.describe(violation));
    let violations = violations.chain(of_wallets.iter().map(|violation| wallet_history.describe(violation))).collect();
    let moved = wallet_history.attempts.iter().filter(|attempt| attempt.outcome.is_new_movement()).count();
    Report {
        figures: finished.figures.table(),
        failures: finished.figures.failures(),
        failed: finished.figures.failed(),
        requests: finished.figures.requests(),
        acknowledged: finished.progress.acknowledged_orders() + moved,
        violations,
    }
}
