//! `buydesk wallet verify`: checks the journal page by page, from the start or from a cursor.

use std::{process::ExitCode, time::Duration};

use common::api::wallets::{
    CheckedRows, MAX_VERIFIED_ROWS, VerificationCursor, VerificationPage, Violation, ViolationKind,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::{
    cli::VerifyArgs,
    client::{
        ApiClient, ClientError,
        api_client::print_line,
        encode_query,
        error::{FieldOption, naming_options},
    },
    program::option,
};

const PATH: &str = "api/v1/journal/verification";
const OPTIONS: &[FieldOption] = &[FieldOption { field: "cursor", option: "--cursor" }];
/// The exit code if the journal has violations.
pub const VIOLATIONS_FOUND: u8 = 1;
/// The exit code if the check did not reach the end of the journal.
pub const VERIFICATION_INCOMPLETE: u8 = 2;
/// Maximum number of attempts to read a page other than the first.
const MAX_ATTEMPTS: u32 = 5;
/// Minimum pause before the next attempt. A longer `retry_after` of the service takes precedence.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// The time between two changes of the progress display.
const TICK: Duration = Duration::from_millis(200);

/// Checks the rows from the cursor on, and prints the violations. The exit code is 0 if no row violates a rule, and
/// otherwise [`VIOLATIONS_FOUND`].
pub async fn verify_journal(client: &ApiClient, args: VerifyArgs, json: bool) -> anyhow::Result<ExitCode> {
    let progress = progress_bar(json)?;
    let mut reader =
        VerificationReader { client, next: NextPage::At(args.cursor), is_first: true, checked: CheckedRows::default() };
    let (mut listed, mut count) = (Vec::new(), 0_u64);
    while let Some(page) = naming_options(reader.next_page().await, OPTIONS)? {
        progress.set_message(rows(reader.checked));
        for violation in page.violations {
            count += 1;
            if json {
                listed.push(violation);
            } else {
                progress.suspend(|| print_line(&describe_violation(&violation)))?;
            }
        }
    }
    progress.finish_and_clear();
    print_line(&if json {
        json!({ "checked": reader.checked, "violations": listed }).to_string()
    } else {
        journal_summary(reader.checked, count)
    })?;
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::from(VIOLATIONS_FOUND) })
}

/// The next page to read.
#[derive(Debug, Clone, Copy)]
enum NextPage {
    /// The page after this cursor, or the first page.
    At(Option<VerificationCursor>),
    /// The last page was read.
    End,
}

/// Reads the pages one after the other, and adds up the checked rows.
struct VerificationReader<'a> {
    client: &'a ApiClient,
    next: NextPage,
    /// Whether no page was read yet.
    is_first: bool,
    checked: CheckedRows,
}

impl VerificationReader<'_> {
    /// The next page. `None` after the last page.
    async fn next_page(&mut self) -> anyhow::Result<Option<VerificationPage>> {
        let NextPage::At(cursor) = self.next else { return Ok(None) };
        let page = self.read_page(cursor).await?;
        self.next = page.next_cursor.map_or(NextPage::End, |cursor| NextPage::At(Some(cursor)));
        self.is_first = false;
        self.checked += page.checked;
        Ok(Some(page))
    }

    /// Reads one page. After the first page, transient errors are retried, so that a restart of the service does not
    /// end a long check.
    async fn read_page(&self, cursor: Option<VerificationCursor>) -> anyhow::Result<VerificationPage> {
        let query =
            [Some(("limit", MAX_VERIFIED_ROWS.to_string())), cursor.map(|cursor| ("cursor", cursor.to_string()))];
        let path = format!("{PATH}?{}", encode_query(query.into_iter().flatten()));
        for attempt in 1.. {
            let error = match self.client.get(&self.client.endpoints.journal, &path).await {
                Ok(response) => return response.parse(),
                Err(error) => error,
            };
            let wait = error.downcast_ref::<ClientError>().and_then(ClientError::retry_wait);
            match wait.filter(|_| !self.is_first && attempt < MAX_ATTEMPTS) {
                Some(wait) => tokio::time::sleep(wait.max(RETRY_PAUSE)).await,
                None => return Err(self.incomplete_error(error, cursor)),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// The error of a check that did not reach the end.
    fn incomplete_error(&self, error: anyhow::Error, cursor: Option<VerificationCursor>) -> anyhow::Error {
        let command = self.client.command(&format!("wallet verify{}", option("cursor", cursor)));
        match error.downcast::<ClientError>() {
            Ok(error) if cursor.is_some() => error.replacing_next_step(format!("To continue: {command}")).into(),
            Ok(error) => error.adding_next_step(&format!("To start again: {command}")).into(),
            Err(error) => error,
        }
    }
}

/// The progress display on standard error. Hidden with `--json`, or if standard error is not a terminal.
fn progress_bar(json: bool) -> anyhow::Result<ProgressBar> {
    let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{spinner} checked {msg} in {elapsed}")?;
    let progress =
        ProgressBar::with_draw_target(None, target).with_style(style).with_message(rows(CheckedRows::default()));
    progress.enable_steady_tick(TICK);
    Ok(progress)
}

fn rows(CheckedRows { wallets, entries, movements, paid_orders }: CheckedRows) -> String {
    let number = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    format!(
        "{} with {}, {} and {}",
        number(wallets, "wallet", "wallets"),
        number(entries, "entry", "entries"),
        number(movements, "movement", "movements"),
        number(paid_orders, "paid order", "paid orders")
    )
}

/// The result of a check of the journal, such as `Checked 1 wallet with … No violation was found.`
pub fn journal_summary(checked: CheckedRows, violations: u64) -> String {
    let result = match violations {
        0 => "No violation was found.".to_owned(),
        1 => "1 violation was found.".to_owned(),
        count => format!("{count} violations were found."),
    };
    format!("Checked {}. {result}", rows(checked))
}

/// The line that describes a violation, such as `no_movement: wallet ID, entry 7: the entry belongs to no movement`.
pub fn describe_violation(violation: &Violation) -> String {
    let Violation { kind, wallet_id, number, movement_id, order_id } = violation;
    let kind_name = serde_json::to_value(kind).ok();
    let kind_name = kind_name.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default();
    let places = [
        wallet_id.map(|id| format!("wallet {id}")),
        number.map(|number| format!("entry {number}")),
        movement_id.map(|id| format!("movement {id}")),
        order_id.map(|id| format!("order {id}")),
    ];
    let place = places.into_iter().flatten().collect::<Vec<_>>().join(", ");
    format!("{kind_name}: {place}: {}", explanation(*kind))
}

fn explanation(kind: ViolationKind) -> &'static str {
    match kind {
        ViolationKind::BalanceDiffers => "the balance of the wallet differs from the balance after its last entry",
        ViolationKind::EntryCountDiffers => {
            "the number of entries of the wallet differs from the number of its last entry"
        }
        ViolationKind::GapInNumbers => "the numbers of the entries have a gap before this entry",
        ViolationKind::WrongBalanceAfter => "the balance after the entry is not the balance before it plus its amount",
        ViolationKind::WrongWallet => "the entry belongs to no wallet, or has another currency than its wallet",
        ViolationKind::NoMovement => "the entry belongs to no movement",
        ViolationKind::TooFewEntries => "the movement has fewer than two entries",
        ViolationKind::NotBalanced => "the entries of the movement do not add up to zero",
        ViolationKind::WrongOrder => "the movement does not match the payment of its order",
        ViolationKind::MissingPayment => "the order was paid by a wallet, but has no movement",
    }
}

#[cfg(test)]
mod tests;
