//! The idempotency keys of new wallets, and the deletion of old keys.

use std::time::Duration;

use common::{
    api::{Code, wallets::CheckedRows},
    ids::{IdempotencyKey, UserId},
    time::Timestamp,
};
use db_proxy::{
    retention::{self, Retention},
    wallets::WalletRetention,
};
use futures_util::future::join_all;
use tests::{Stack, on_both_stacks};
use uuid::Uuid;

use super::{super::Fixture, deposit, withdraw};

on_both_stacks!(creation_with_one_key_creates_one_wallet, old_keys_are_deleted_and_movements_remain);

async fn creation_with_one_key_creates_one_wallet(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let key = |text: &str| -> IdempotencyKey { text.parse().unwrap() };
    let creations = (0..20).map(|_| fixture.create_with_key(key("a"), None, "USD"));
    let created: Vec<_> = join_all(creations).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(created.iter().filter(|created| !created.replayed).count(), 1);
    let wallet = &created[0].wallet;
    assert!(created.iter().all(|created| created.wallet == *wallet), "{created:?}");

    // The replay returns the wallet as it was when it was created.
    fixture.move_money(&[deposit("b", wallet.id, "5")]).await;
    let again = fixture.create_with_key(key("a"), None, "USD").await.unwrap();
    assert_eq!((&again.wallet, again.replayed), (wallet, true));
    let other = fixture.create_with_key(key("a"), None, "EUR").await.unwrap_err();
    assert_eq!(other.code, Code::KeyReused);
    // The same key of a movement or of another user identifies another request.
    let of_user = fixture.create_with_key(key("a"), Some(UserId(Uuid::now_v7())), "EUR").await.unwrap();
    let of_movement = fixture.create_with_key(key("b"), None, "EUR").await.unwrap();
    assert_eq!([of_user.replayed, of_movement.replayed], [false, false]);
    assert_eq!(fixture.check_journal().await.wallets, 3);
}

async fn old_keys_are_deleted_and_movements_remain(stack: Stack) {
    const DAY: Duration = Duration::from_hours(24);
    let fixture = Fixture::new(stack).await;
    let wallet = fixture.create_wallet("USD").await;
    fixture.move_money(&[deposit("old", wallet, "5"), withdraw("refused", wallet, "9")]).await;
    let age = DAY + Duration::from_mins(1);
    let earlier = match stack {
        Stack::Embedded => format!("- {}", age.as_micros()),
        Stack::Servers => format!("- interval '{} seconds'", age.as_secs()),
    };
    for table in ["wallet_keys", "wallet_creation_keys"] {
        fixture.query_text(&format!("update {table} set created_at = created_at {earlier}")).await;
    }
    fixture.query_text(&format!("update wallet_refusals set refused_at = refused_at {earlier}")).await;
    let retention = WalletRetention { store: fixture.wallets().store, key_retention: DAY };
    let now = retention.database_time().await.unwrap().unwrap_or_else(Timestamp::now);
    if stack == Stack::Embedded {
        retention::run_once(&retention, now).await.unwrap();
        let keys = fixture.query_text("select key from wallet_keys").await;
        assert_eq!(
            keys,
            [["old"]],
            "on SQLite, a key is old only relative to the newest key, so the newest key is kept"
        );
        assert_eq!(fixture.query_text("select key from wallet_creation_keys").await.len(), 1);
    }
    fixture.move_money(&[deposit("new", wallet, "1")]).await;
    retention::run_once(&retention, now).await.unwrap();
    assert_eq!(fixture.query_text("select key from wallet_keys").await, [["new"]]);
    assert_eq!(fixture.query_text("select key from wallet_creation_keys").await, [[""; 1]; 0]);
    assert_eq!(fixture.query_text("select key from wallet_refusals").await, [[""; 1]; 0]);
    assert_eq!(fixture.check_journal().await, CheckedRows { wallets: 1, entries: 2, movements: 2, paid_orders: 0 });
}
