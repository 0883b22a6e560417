//! `buydesk load wallets`: creates wallets, and moves money with idempotency keys.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, anyhow};
use common::{
    api::wallets::{
        LinkedOperationPage, MAX_WALLET_PAGE, OperationPayload, TransferPayload, Wallet, WalletPayload, page_query,
    },
    ids::{UserId, WalletId},
    money::{Currency, DecimalText, Money, OperationAmount},
};
use uuid::Uuid;

use crate::{
    cli::{CheckScope, WalletLoadArgs},
    client::ApiClient,
    load::{
        acknowledged::{KeyedRequest, Outcomes, SharedOutcomes, read_with_retries},
        report::Check,
        transport::{PreparedRequest, Transport},
        workload::{Failure, Workload},
    },
};

const PATH: &str = "api/v1/wallets";
/// The amount of the first deposit into each wallet. It is large enough that no withdrawal fails.
const FIRST_DEPOSIT: &str = "1000000";
/// The amount of each request of the load.
const AMOUNT: &str = "1";
const DEPOSIT: usize = 0;
const WITHDRAWAL: usize = 1;
const TRANSFER: usize = 2;
/// Operations of four consecutive requests of one wallet. There are more deposits than withdrawals.
const MIX: [usize; 4] = [DEPOSIT, TRANSFER, DEPOSIT, WITHDRAWAL];

#[derive(Debug)]
pub struct WalletLoad {
    transport: Transport,
    wallets: Vec<LoadedWallet>,
    currency: Currency,
    /// The id of this run, which is a part of each idempotency key.
    run: Uuid,
    outcomes: SharedOutcomes,
}

/// A wallet and the requests that change it.
#[derive(Debug)]
struct LoadedWallet {
    id: WalletId,
    deposit: PreparedRequest,
    withdrawal: PreparedRequest,
    /// A transfer to the next wallet.
    transfer: PreparedRequest,
}

impl WalletLoad {
    /// Creates the wallets and makes the first deposits.
    pub async fn new(client: &ApiClient, transport: Transport, args: &WalletLoadArgs) -> anyhow::Result<Self> {
        let run = Uuid::now_v7();
        let endpoint = &client.endpoints.wallets;
        let create = transport.post(endpoint, PATH, &WalletPayload { currency: Some(args.currency.to_string()) })?;
        let mut ids = Vec::new();
        for index in 0..args.wallets {
            let wallet: Wallet =
                serde_json::from_slice(&body_or_error(transport.send(&create, None).await, "wallet was created")?)
                    .context("the new wallet cannot be read")?;
            let first = transport.post(endpoint, &operation_path(wallet.id), &operation("DEPOSIT", FIRST_DEPOSIT))?;
            let key = format!("load-{run}-first-{index}");
            body_or_error(transport.send(&first, Some(&key)).await, "first deposit was made")?;
            ids.push(wallet.id);
        }
        let wallets = ids.iter().zip(ids.iter().cycle().skip(1)).map(|(&id, next)| {
            let (from, to) = (Some(id.to_string()), Some(next.to_string()));
            let transfer = TransferPayload { from, to, amount: Some(DecimalText::from(AMOUNT.to_owned())) };
            Ok(LoadedWallet {
                id,
                deposit: transport.post(endpoint, &operation_path(id), &operation("DEPOSIT", AMOUNT))?,
                withdrawal: transport.post(endpoint, &operation_path(id), &operation("WITHDRAW", AMOUNT))?,
                transfer: transport.post(endpoint, "api/v1/transfers", &transfer)?,
            })
        });
        let wallets = wallets.collect::<anyhow::Result<_>>()?;
        Ok(Self { transport, wallets, currency: args.currency, run, outcomes: SharedOutcomes::default() })
    }

    /// The index of the wallet of the request. For a transfer, this is the paying wallet.
    fn wallet_of(&self, number: u64) -> usize {
        usize::try_from(number).unwrap_or_default() % self.wallets.len()
    }

    /// The index of the wallet that a transfer from this wallet credits.
    fn next(&self, wallet: usize) -> usize {
        (wallet + 1) % self.wallets.len()
    }

    fn request(&self, number: u64) -> &PreparedRequest {
        let wallet = &self.wallets[self.wallet_of(number)];
        match self.operation_of(number) {
            DEPOSIT => &wallet.deposit,
            WITHDRAWAL => &wallet.withdrawal,
            _ => &wallet.transfer,
        }
    }

    fn key(&self, number: u64) -> String {
        format!("load-{}-{number}", self.run)
    }

    fn keyed(&self, number: u64) -> KeyedRequest<'_> {
        KeyedRequest { request: self.request(number), key: self.key(number) }
    }

    /// Checks that the operations that `scope` selects are listed, and that the balances match all acknowledged
    /// operations.
    pub async fn check(&self, client: &ApiClient, scope: CheckScope) -> anyhow::Result<Check> {
        let (outcomes, mut check) = self.outcomes.resolve_and_check(&self.transport, |number| self.keyed(number)).await;
        if scope != CheckScope::None {
            let selected = outcomes.selected(scope).into_iter().map(|(number, _)| number).collect();
            self.check_listed(client, &outcomes, &selected, &mut check).await?;
        }
        // If an outcome is unknown, the expected balances are unknown.
        if check.unresolved == 0 {
            self.check_balances(client, &outcomes, &mut check).await?;
        }
        Ok(check)
    }

    /// Checks that each selected operation is listed exactly once in each wallet that the operation changed.
    async fn check_listed(
        &self,
        client: &ApiClient,
        outcomes: &Outcomes,
        selected: &HashSet<u64>,
        check: &mut Check,
    ) -> anyhow::Result<()> {
        let mut expected: Vec<HashMap<Uuid, u32>> = vec![HashMap::new(); self.wallets.len()];
        for (number, id) in outcomes.acknowledged().filter(|(number, _)| selected.contains(number)) {
            let wallet = self.wallet_of(number);
            expected[wallet].insert(id, 0);
            if self.operation_of(number) == TRANSFER {
                expected[self.next(wallet)].insert(id, 0);
            }
            check.looked_up += 1;
        }
        for (wallet, mut expected) in self.wallets.iter().zip(expected) {
            self.count_listed(client, wallet.id, &mut expected).await?;
            for (id, count) in expected.into_iter().filter(|(_, count)| *count != 1) {
                let wallet = wallet.id;
                check.add_violation(format!(
                    "Operation {id} was acknowledged, and is listed {count} times in wallet {wallet}."
                ));
            }
        }
        Ok(())
    }

    async fn count_listed(
        &self,
        client: &ApiClient,
        wallet: WalletId,
        operations: &mut HashMap<Uuid, u32>,
    ) -> anyhow::Result<()> {
        let mut cursor = None;
        loop {
            let query = page_query(("user", None::<UserId>), cursor, MAX_WALLET_PAGE);
            let path = format!("{PATH}/{wallet}/operations?{query}");
            let page: LinkedOperationPage = read_with_retries(client, &client.endpoints.wallets, &path).await?;
            for operation in page.data {
                if let Some(count) = operations.get_mut(&operation.id.0) {
                    *count += 1;
                }
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn check_balances(&self, client: &ApiClient, outcomes: &Outcomes, check: &mut Check) -> anyhow::Result<()> {
        let units = |text: &str| Ok::<_, anyhow::Error>(text.parse::<OperationAmount>()?.units_of(self.currency)?);
        let amount = units(AMOUNT)?;
        let mut balances = vec![units(FIRST_DEPOSIT)?; self.wallets.len()];
        for (number, _) in outcomes.acknowledged() {
            let wallet = self.wallet_of(number);
            match self.operation_of(number) {
                DEPOSIT => balances[wallet] += amount,
                WITHDRAWAL => balances[wallet] -= amount,
                _ => {
                    balances[wallet] -= amount;
                    let next = self.next(wallet);
                    balances[next] += amount;
                }
            }
        }
        for (LoadedWallet { id, .. }, expected) in self.wallets.iter().zip(balances) {
            let wallet: Wallet = read_with_retries(client, &client.endpoints.wallets, &format!("{PATH}/{id}")).await?;
            if wallet.balance.units() != expected {
                let expected =
                    Money::new(self.currency, expected).map_or_else(|error| error.to_string(), |sum| sum.to_string());
                let balance = wallet.balance;
                check.add_violation(format!(
                    "Wallet {id} has a balance of {balance}, and the acknowledged operations add up to {expected}."
                ));
            }
        }
        Ok(())
    }
}

fn operation_path(wallet: WalletId) -> String {
    format!("{PATH}/{wallet}/operation")
}

fn operation(operation_type: &str, amount: &str) -> OperationPayload {
    let amount = Some(DecimalText::from(amount.to_owned()));
    OperationPayload { operation_type: Some(operation_type.to_owned()), amount }
}

/// The body of the response to a request that prepares the load. `done` describes the effect of the request, for the error.
fn body_or_error(response: Result<crate::load::transport::Reply, Failure>, done: &str) -> anyhow::Result<Vec<u8>> {
    match response {
        Ok(reply) => Ok(reply.body),
        Err(Failure { code, .. }) => Err(anyhow!("no {done}: {code}")),
    }
}

impl Workload for WalletLoad {
    fn operations(&self) -> &'static [&'static str] {
        &["deposit", "withdrawal", "transfer"]
    }

    fn operation_of(&self, number: u64) -> usize {
        let wallets = u64::try_from(self.wallets.len()).unwrap_or(1);
        let operation = usize::try_from(number / wallets % 4).map_or(DEPOSIT, |index| MIX[index]);
        // A transfer needs two wallets.
        if operation == TRANSFER && wallets == 1 { DEPOSIT } else { operation }
    }

    async fn send(&self, number: u64) -> Result<(), Failure> {
        let response = self.transport.send(self.request(number), Some(&self.key(number))).await;
        self.outcomes.record(number, response)
    }
}

#[cfg(test)]
mod tests;
