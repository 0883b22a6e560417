//! Converts the payloads of customers to commands, or reports the invalid fields.

use common::{
    api::{
        FieldError, FieldErrors,
        wallets::{OperationCommand, OperationPayload, OperationType, TransferCommand, TransferPayload, WalletPayload},
    },
    ids::WalletId,
    money::{Currency, DecimalText, OperationAmount, OperationAmountError},
    spelling::must_be_one_of,
    text::TextType,
};

/// The currency of a new wallet, one of `allowed`.
pub fn validate_wallet(payload: &WalletPayload, allowed: &[Currency]) -> Result<Currency, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let currency = match payload.currency.as_deref() {
        None => {
            errors.add_missing("currency");
            None
        }
        Some(code) => {
            let currency = code.parse().ok().filter(|currency| allowed.contains(currency));
            if currency.is_none() {
                errors.add("currency", must_be_one_of(code, allowed));
            }
            currency
        }
    };
    errors.into_result(currency)
}

/// The type of an operation by its name.
struct NamedType(OperationType);

impl TextType for NamedType {
    fn parse_text(name: &str) -> Result<Self, String> {
        match name {
            "DEPOSIT" => Ok(Self(OperationType::Deposit)),
            "WITHDRAW" => Ok(Self(OperationType::Withdraw)),
            _ => Err(must_be_one_of(name, ["DEPOSIT", "WITHDRAW"])),
        }
    }
}

/// A deposit to a wallet, or a withdrawal from it.
pub fn validate_operation(
    wallet_id: WalletId,
    payload: &OperationPayload,
) -> Result<OperationCommand, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let operation_type = errors.required("operation_type", payload.operation_type.as_deref());
    let amount = required_amount(&mut errors, payload.amount.as_ref());
    errors.into_result(operation_type.zip(amount).map(|(NamedType(operation_type), amount)| OperationCommand {
        wallet_id,
        operation_type,
        amount,
    }))
}

/// A transfer between two wallets.
pub fn validate_transfer(payload: &TransferPayload) -> Result<TransferCommand, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let from = errors.required("from", payload.from.as_deref());
    let to = errors.required("to", payload.to.as_deref());
    let amount = required_amount(&mut errors, payload.amount.as_ref());
    let wallets = from.zip(to);
    errors.into_result(wallets.zip(amount).map(|((from, to), amount)| TransferCommand { from, to, amount }))
}

/// The amount of a movement. db-proxy checks whether the amount has too many decimals for the currency of the wallet.
fn required_amount(errors: &mut FieldErrors, amount: Option<&DecimalText>) -> Option<OperationAmount> {
    let Some(amount) = amount else {
        errors.add_missing("amount");
        return None;
    };
    let parsed = amount.parse_amount();
    parsed.map_err(|error: OperationAmountError| errors.add("amount", amount.describe_refused(error))).ok()
}

#[cfg(test)]
mod tests;
