//! Transfers to the wallets of other users.

use common::{
    api::{
        orders::{OwnerFilter, client_name},
        wallets::{EntryType, MoveOutcome, MoveRefusalReason},
    },
    ids::{UserId, WalletId},
};
use db_proxy::wallets::{ClientKey, MoveMoneyCommand};
use tests::{Stack, on_both_stacks};
use uuid::Uuid;

use super::{super::Fixture, commit, deposit, reason, transfer};

on_both_stacks!(user_pays_into_a_wallet_of_another_user_and_does_not_see_its_balance);

/// The same command, sent by this user.
pub(super) fn of_user(user: UserId, command: MoveMoneyCommand) -> MoveMoneyCommand {
    let key = ClientKey { client: client_name(Some(user)), ..command.key };
    MoveMoneyCommand { owner: OwnerFilter::User(user), key, ..command }
}

async fn user_pays_into_a_wallet_of_another_user_and_does_not_see_its_balance(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let [ada, bob] = [(); 2].map(|()| UserId(Uuid::now_v7()));
    let of_ada = fixture.create_wallet_of(Some(ada), "USD").await.id;
    let of_bob = fixture.create_wallet_of(Some(bob), "USD").await.id;
    let euros_of_bob = fixture.create_wallet_of(Some(bob), "EUR").await.id;
    let anonymous_wallet = fixture.create_wallet("USD").await;
    let unknown = WalletId(Uuid::now_v7());
    fixture.move_money(&[of_user(ada, deposit("a", of_ada, "10")), deposit("a", anonymous_wallet, "10")]).await;
    let commands = [
        of_user(ada, transfer("b", of_ada, of_bob, "3")),
        transfer("b", anonymous_wallet, of_bob, "4"),
        of_user(ada, transfer("c", of_bob, of_ada, "1")),
        of_user(ada, transfer("d", of_ada, euros_of_bob, "1")),
        of_user(ada, transfer("e", of_ada, unknown, "1")),
        of_user(ada, transfer("f", of_ada, of_bob, "7.0001")),
    ];
    let outcomes = fixture.move_money(&commands).await;
    assert_eq!(
        outcomes.iter().map(reason).collect::<Vec<_>>(),
        [
            None,
            None,
            Some(MoveRefusalReason::WalletNotFound),
            Some(MoveRefusalReason::CurrencyMismatch),
            Some(MoveRefusalReason::WalletNotFound),
            Some(MoveRefusalReason::InsufficientFunds),
        ]
    );
    let paid = outcomes[0].transfer.as_ref().unwrap();
    assert_eq!((paid.from_balance.to_string().as_str(), paid.to_balance), ("7.00", None));
    for refused in outcomes[2..5].iter().map(|outcome| outcome.refused.unwrap()) {
        assert!(refused.balance.is_none() && refused.wallet_id != Some(euros_of_bob), "{refused:?}");
    }
    assert_eq!(outcomes[3].refused.unwrap().currency.map(|currency| currency.to_string()).as_deref(), Some("USD"));

    // Another process replays the same bytes after further payments.
    fixture.move_money(&[of_user(bob, transfer("g", of_bob, of_ada, "5"))]).await;
    let replayed = commit(&fixture.another_wallet_store().await, &mut commands[..2].to_vec()).await;
    let text = |outcome: &MoveOutcome| serde_json::to_string(&outcome.transfer).unwrap();
    assert_eq!(replayed.iter().map(text).collect::<Vec<_>>(), outcomes[..2].iter().map(text).collect::<Vec<_>>());
    assert!(replayed.iter().all(|outcome| outcome.replayed));

    // Bob sees the payments among the operations of his wallet.
    let page = fixture.wallets().list_operations(of_bob, OwnerFilter::User(bob), None, 9).await.unwrap();
    let listed: Vec<_> = page.data.iter().map(|row| (row.operation_type, row.balance.to_string())).collect();
    let expected = [(EntryType::TransferOut, "2.00"), (EntryType::TransferIn, "7.00"), (EntryType::TransferIn, "3.00")];
    assert_eq!(listed, expected.map(|(kind, balance)| (kind, balance.to_owned())));

    // A transfer that would raise a balance above the maximum is refused. Neither the refusal nor its replay shows the
    // balance.
    let full = format!(
        "update wallets set balance = 999999999999999999 where currency = 'EUR' and {}",
        match stack {
            Stack::Embedded => format!("id = x'{}'", euros_of_bob.0.simple()),
            Stack::Servers => format!("id = '{euros_of_bob}'"),
        }
    );
    fixture.query_text(&full).await;
    let euros_of_ada = fixture.create_wallet_of(Some(ada), "EUR").await.id;
    fixture.move_money(&[of_user(ada, deposit("h", euros_of_ada, "1"))]).await;
    let refused = of_user(ada, transfer("i", euros_of_ada, euros_of_bob, "1"));
    for store in [fixture.wallets().store, fixture.another_wallet_store().await] {
        let refused = commit(&store, &mut [refused.clone()]).await.remove(0).refused.unwrap();
        assert_eq!(refused.reason, MoveRefusalReason::BalanceOutOfRange);
        assert_eq!((refused.wallet_id, refused.balance, refused.currency), (Some(euros_of_bob), None, None));
    }
}
