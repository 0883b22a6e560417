//! A failed transaction does not affect the transactions after it.

use common::{money::Sats, time::Timestamp};
use db_proxy::{
    database::DatabaseError,
    group_commit::Attempt,
    orders::{DecisionClock, DecisionContext},
};
use sqlx::{Connection, PgConnection};
use tests::{Stack, environment::required_variable, on_both_stacks};

use super::{Fixture, commands, market_order, no_limit};

on_both_stacks!(
    failed_transaction_does_not_affect_later_transactions,
    aborted_transaction_does_not_affect_later_transactions,
);

impl Fixture {
    /// Makes every order fail from now on. SQLite rolls the transaction back by itself, as it does when the disk is
    /// full.
    async fn fail_orders(&self, stack: Stack) {
        let statements: &[&str] = match stack {
            Stack::Embedded => &[
                "create trigger fail_orders before insert on orders begin select raise(rollback, 'the disk is full'); end",
            ],
            Stack::Servers => &[
                "create function fail_order() returns trigger language plpgsql as
                $$ begin raise disk_full using message = 'the disk is full'; end $$",
                "create trigger fail_orders before insert on orders for each row execute function fail_order()",
            ],
        };
        for statement in statements {
            self.query_text(statement).await;
        }
    }

    async fn let_orders_succeed(&self, stack: Stack) {
        self.query_text(match stack {
            Stack::Embedded => "drop trigger fail_orders",
            Stack::Servers => "drop trigger fail_orders on orders",
        })
        .await;
    }
}

async fn failed_transaction_does_not_affect_later_transactions(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    fixture.place_new(market_order("before", 1)).await;
    fixture.fail_orders(stack).await;
    for attempt in 0..3 {
        let mut commands = commands(&[market_order(format!("failing-{attempt}"), 1)]);
        let context = DecisionContext { limit: no_limit(), clock: DecisionClock::Fixed(Timestamp::now()) };
        let result = fixture.store.commit_batch(context, &mut commands, &mut Attempt::default()).await;
        assert!(matches!(result, Err(DatabaseError::Rejected(_) | DatabaseError::DiskFull)), "{result:?}");
    }
    fixture.let_orders_succeed(stack).await;
    fixture.place_new(market_order("after", 1)).await;
    assert_eq!(fixture.check_tables().await, (2, 2));
}

/// The errors in this test are permanent. The error of an outdated plan also has the code `0A000`, but a retry on a new
/// connection succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_that_recur_on_retry_are_permanent() {
    let mut connection = PgConnection::connect(&required_variable("TEST_POSTGRES_URL")).await.unwrap();
    for (statement, code) in [("select 1 / 0", "22012"), ("select count(*) from pg_class for update", "0A000")] {
        let error = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some(code));
        let error = DatabaseError::from(error);
        assert!(matches!(error, DatabaseError::Rejected(_)), "{statement}: {error:?}");
    }
    connection.close().await.unwrap();
}

/// The test aborts a transaction at each of its await points.
async fn aborted_transaction_does_not_affect_later_transactions(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut placed = 0;
    for polls in 1..40 {
        let mut commands = commands(&[market_order(format!("aborted-{polls}"), 1)]);
        let context = DecisionContext { limit: no_limit(), clock: DecisionClock::Fixed(Timestamp::now()) };
        let mut attempt = Attempt::default();
        {
            let mut commit = std::pin::pin!(fixture.store.commit_batch(context, &mut commands, &mut attempt));
            for _ in 0..polls {
                if futures_util::poll!(commit.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        fixture.place_new(market_order(format!("after-{polls}"), 1)).await;
        placed += 1;
    }
    let (orders, _) = fixture.check_tables().await;
    assert!(orders >= placed, "{orders} orders, {placed} acknowledged");
    assert!(fixture.store.totals().await.unwrap().reserved == Sats::ZERO);
}
