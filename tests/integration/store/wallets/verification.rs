//! The check of the journal finds every planted error, and the database refuses to change the journal.

use common::api::wallets::ViolationKind::{self, *};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tests::{Stack, on_both_stacks};

use super::{super::Fixture, deposit, transfer, withdraw};

on_both_stacks!(planted_errors_are_found, database_refuses_to_change_the_journal);

impl Fixture {
    /// Two wallets with deposits, a withdrawal and a transfer.
    async fn with_journal(stack: Stack) -> Self {
        let fixture = Self::new(stack).await;
        let (first, second) = (fixture.create_wallet("USD").await, fixture.create_wallet("USD").await);
        let commands = [
            deposit("a", first, "5"),
            deposit("b", first, "7"),
            withdraw("c", first, "2"),
            transfer("d", first, second, "3"),
            deposit("e", second, "1"),
        ];
        fixture.move_money(&commands).await;
        fixture.check_journal().await;
        fixture
    }

    /// Permits changes to the journal, and runs a statement that breaks its rules.
    async fn plant(&self, stack: Stack, statement: &str) {
        let permit: &[&str] = match stack {
            Stack::Embedded => &[
                "drop trigger entries_are_not_updated",
                "drop trigger entries_are_not_deleted",
                "drop trigger movements_are_not_deleted",
            ],
            Stack::Servers => {
                &["alter table entries disable trigger user", "alter table movements disable trigger user"]
            }
        };
        for permit in permit {
            self.query_text(permit).await;
        }
        self.query_text(statement).await;
    }
}

/// Executes a statement that must fail. Returns the error.
async fn error_of(url: &str, statement: &str) -> String {
    let statement = AssertSqlSafe(statement.to_owned());
    let result = if url.starts_with("sqlite:") {
        SqliteConnection::connect(url).await.unwrap().execute(statement).await.map(|_| ())
    } else {
        PgConnection::connect(url).await.unwrap().execute(statement).await.map(|_| ())
    };
    result.unwrap_err().to_string()
}

async fn planted_errors_are_found(stack: Stack) {
    let cases: [(&str, &[ViolationKind]); 9] = [
        // A lost entry. In the first case, a later entry of the same wallet remains. In the second case, the last entry
        // of a wallet is lost. In the third case, the entry has no wallet.
        ("delete from entries where number = 2 and amount = 70000", &[GapInNumbers, NotBalanced]),
        ("delete from entries where number = 2 and amount = 10000", &[EntryCountDiffers, BalanceDiffers, NotBalanced]),
        ("delete from entries where wallet_id is null and amount = -70000", &[NotBalanced]),
        // A changed balance of a wallet, and a changed balance of an entry.
        ("update wallets set balance = balance + 1 where balance = 70000", &[BalanceDiffers]),
        ("update entries set balance = balance + 1 where amount = 70000", &[WrongBalanceAfter, WrongBalanceAfter]),
        // A changed amount.
        ("update entries set amount = 70001 where amount = 70000", &[WrongBalanceAfter, NotBalanced]),
        // A lost movement.
        ("delete from movements where key = 'b'", &[NoMovement]),
        // An entry that names an unknown movement.
        (
            "update entries set movement_id = wallet_id where wallet_id is not null and amount = 70000",
            &[NoMovement, NotBalanced],
        ),
        // An entry whose currency differs from the currency of its wallet.
        ("update entries set currency = 'EUR' where amount = -20000", &[WrongWallet, NotBalanced]),
    ];
    for (statement, expected) in cases {
        let fixture = Fixture::with_journal(stack).await;
        fixture.plant(stack, statement).await;
        let found: Vec<_> = fixture.verify().await.violations.iter().map(|violation| violation.kind).collect();
        assert_eq!(found, expected, "{statement}");
    }
}

async fn database_refuses_to_change_the_journal(stack: Stack) {
    let fixture = Fixture::with_journal(stack).await;
    let url = fixture.database.url();
    for statement in [
        "update entries set amount = amount + 1",
        "delete from entries",
        "update movements set kind = 'order'",
        "delete from movements",
    ] {
        let error = error_of(&url, statement).await;
        assert!(error.contains("never change"), "{statement}: {error}");
    }
    let twice = "insert into entries (movement_id, line, wallet_id, number, currency, amount, balance)
        select movement_id, line + 1, wallet_id, number, currency, amount, balance from entries where number = 1";
    let error = error_of(&url, twice).await;
    assert!(error.to_lowercase().contains("unique"), "{error}");
    if stack == Stack::Servers {
        let unbalanced =
            "insert into entries (movement_id, line, currency, amount) select id, 9, 'USD', 1 from movements";
        let error = error_of(&url, unbalanced).await;
        assert!(error.contains("do not add up to zero"), "{error}");
    }
    let negative = "update wallets set balance = -1";
    let error = error_of(&url, negative).await;
    assert!(error.contains("wallets_balance_in_range"), "{error}");
    fixture.check_journal().await;
}
