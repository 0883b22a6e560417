use super::*;

fn refused(reason: MoveRefusalReason) -> Decision {
    Decision::Refused(MoveRefused { reason, wallet_id: None, balance: None, currency: None })
}

#[test]
fn refusal_because_of_a_balance_is_not_final_after_a_lost_response() {
    for reason in [MoveRefusalReason::InsufficientFunds, MoveRefusalReason::BalanceOutOfRange] {
        let result = final_result_after_lost_response(refused(reason));
        assert!(matches!(result, Err(DispatchError::OutcomeUnknown)), "{reason:?}");
    }
    for reason in [
        MoveRefusalReason::KeyReused,
        MoveRefusalReason::WalletNotFound,
        MoveRefusalReason::SameWallet,
        MoveRefusalReason::CurrencyMismatch,
        MoveRefusalReason::TooManyDecimals,
    ] {
        assert!(final_result_after_lost_response(refused(reason)).is_ok(), "{reason:?}");
    }
}
