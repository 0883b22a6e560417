use super::*;
use crate::{database::Database, maintenance::SqliteMaintenance};

/// The summary of a database that contains one order, one wallet in BTC, two wallets in EUR, and these stored totals.
async fn summary_with_totals(orders: i64, sats: i64) -> anyhow::Result<DatabaseSummary> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("orders.db");
    let database = Database::open(&format!("sqlite:{}", path.display())).await?;
    database.migrate().await?;
    let Database::Sqlite(sqlite) = &database else { unreachable!("the URL names an SQLite file") };
    let order =
        "insert into orders (seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of,
        price_sources, simulated) values (1, randomblob(16), 5, 'EUR', 10000, 100000000, 7, 5, 'kraken', 1)";
    sqlx::query(order).execute(&sqlite.writer).await?;
    let wallets = "insert into wallets (id, currency, balance, entries, created_at, last_entry_at, last_refused_at)
        select randomblob(16), value, 999999999999999999, 1, 5, 5, 5 from json_each('[\"BTC\", \"EUR\", \"EUR\"]')";
    sqlx::query(wallets).execute(&sqlite.writer).await?;
    let totals = sqlx::query("update order_totals set orders = ?1, bitcoin_sats = ?2").bind(orders).bind(sats);
    totals.execute(&sqlite.writer).await?;
    database.close().await;
    let mut maintenance = SqliteMaintenance::open(&path).await?;
    let summary = maintenance.summary().await;
    maintenance.close().await?;
    Ok(summary?)
}

#[tokio::test]
async fn rows_are_counted_and_balances_are_added_beyond_the_range_of_an_integer() {
    let summary = summary_with_totals(1, 7).await.unwrap();
    assert_eq!((summary.orders, summary.bitcoin_amount.get(), summary.wallets), (1, 7, 3));
    assert_eq!(summary.newest_order_at.unwrap().micros(), 5);
    let totals: Vec<_> =
        summary.wallet_totals.iter().map(|total| (total.currency.as_str(), total.balance.as_str())).collect();
    assert_eq!(totals, [("BTC", "9999999999.99999999"), ("EUR", "199999999999999.9998")]);
    let written: DatabaseSummary = serde_json::from_str(&serde_json::to_string(&summary).unwrap()).unwrap();
    assert_eq!(written, summary);
}

#[tokio::test]
async fn stored_totals_that_differ_from_the_orders_are_an_error() {
    for (orders, sats) in [(2, 7), (1, 8), (0, 7)] {
        let error = summary_with_totals(orders, sats).await.unwrap_err().to_string();
        assert!(error.contains("but there are 1 orders of 0.00000007 BTC"), "{error}");
    }
}

#[tokio::test]
async fn later_state_has_at_least_the_rows_of_an_earlier_state() {
    let earlier = summary_with_totals(1, 7).await.unwrap();
    let later = DatabaseSummary { orders: 2, bitcoin_amount: Sats::new(9).unwrap(), ..earlier.clone() };
    assert!(later.is_after(&earlier) && earlier.is_after(&earlier) && !earlier.is_after(&later));
    let lost_wallet = DatabaseSummary { wallets: 2, ..later.clone() };
    assert!(!lost_wallet.is_after(&earlier));
}
