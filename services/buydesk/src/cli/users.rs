//! The commands and options of users and API keys.

use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use common::{
    api::{
        keys::{MAX_KEY_RATE, RateLimitChange},
        users::{Email, MAX_USER_PAGE, UserCursor, UserState},
    },
    ids::{KeyId, UserId},
    time::Timestamp,
};

use super::whole_number;

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user.
    Create {
        /// E-mail address of the user. No other user may have the same address. Upper and lower case are not distinguished.
        #[arg(short, long)]
        email: String,
        /// Name of the user.
        #[arg(short, long)]
        name: String,
    },
    /// Show a user. An operator may show every user. A user with an API key may show only itself.
    Get {
        /// Id or e-mail address of the user. The default is the user of the API key.
        user: Option<UserReference>,
    },
    /// Show the user with an e-mail address.
    Find {
        /// E-mail address of the user. Upper and lower case are not distinguished.
        email: Email,
    },
    /// List users, newest first.
    List(ListUsersArgs),
    /// Change the e-mail address or the name of a user.
    Update(UpdateUserArgs),
    /// Deactivate a user: all of its keys are refused. Its orders remain, and it can be activated again.
    Deactivate {
        /// Id or e-mail address of the user.
        user: UserReference,
    },
    /// Activate a user: its keys are accepted again.
    Activate {
        /// Id or e-mail address of the user.
        user: UserReference,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").args(["email", "name"]).required(true).multiple(true))]
pub struct UpdateUserArgs {
    /// Id or e-mail address of the user.
    pub user: UserReference,
    /// New e-mail address.
    #[arg(short, long)]
    pub email: Option<String>,
    /// New name.
    #[arg(short, long)]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct ListUsersArgs {
    /// Maximum number of users to show.
    #[arg(short, long, default_value_t = 20, allow_negative_numbers = true, value_parser = whole_number(1..=MAX_USER_PAGE))]
    pub limit: u32,
    /// Cursor at which the list continues. The previous list ends with a command that contains it.
    #[arg(long)]
    pub cursor: Option<UserCursor>,
    /// Show users in this state.
    #[arg(long)]
    pub state: Option<StateFilter>,
}

/// The state of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateFilter {
    Active,
    Deactivated,
}

impl From<StateFilter> for UserState {
    fn from(state: StateFilter) -> Self {
        match state {
            StateFilter::Active => Self::Active,
            StateFilter::Deactivated => Self::Deactivated,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create an API key for a user. The key is shown only once.
    Create(CreateKeyArgs),
    /// List the keys of a user, newest first.
    List {
        /// Id or e-mail address of the user. The default is the user of the API key.
        user: Option<UserReference>,
    },
    /// Change the name or the rate limit of a key. Its scopes and its expiry never change.
    Update(UpdateKeyArgs),
    /// Revoke a key. Every service refuses the key within 5 seconds.
    Revoke {
        /// Id or e-mail address of the user.
        user: UserReference,
        /// Id of the key.
        key: KeyId,
    },
}

#[derive(Debug, Args)]
pub struct CreateKeyArgs {
    /// Id or e-mail address of the user.
    pub user: UserReference,
    /// Name of the key, such as the name of the program that uses the key.
    #[arg(short, long)]
    pub name: String,
    /// Scopes that the key permits, separated by commas: orders, wallets, read.
    #[arg(short, long, required = true, value_delimiter = ',')]
    pub scopes: Vec<String>,
    /// Maximum number of requests per minute. By default, or with `default`, the limit of each service applies.
    #[arg(long, value_name = "PER_MINUTE", allow_negative_numbers = true, value_parser = parse_rate_limit)]
    pub rate_limit: Option<RateLimitChange>,
    /// Time from which the key is refused, such as 2027-01-02T03:04:05Z. By default, the key does not expire.
    #[arg(long)]
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "buydesk key update <USER> <KEY> --name <NAME> [OPTIONS]\n       \
                      buydesk key update <USER> <KEY> --rate-limit <PER_MINUTE> [OPTIONS]",
    group = ArgGroup::new("change").args(["name", "rate_limit"]).required(true).multiple(true)
)]
pub struct UpdateKeyArgs {
    /// Id or e-mail address of the user.
    pub user: UserReference,
    /// Id of the key.
    pub key: KeyId,
    /// New name of the key.
    #[arg(short, long)]
    pub name: Option<String>,
    /// New maximum number of requests per minute, or `default` for the limit of each service.
    #[arg(long, value_name = "PER_MINUTE", allow_negative_numbers = true, value_parser = parse_rate_limit)]
    pub rate_limit: Option<RateLimitChange>,
}

fn parse_rate_limit(text: &str) -> Result<RateLimitChange, String> {
    let limit = match text {
        "default" => Some(RateLimitChange::LimitOfService),
        number => number.parse().ok().map(RateLimitChange::PerMinute),
    };
    let is_allowed = |limit: &RateLimitChange| limit.check_range().is_ok();
    limit.filter(is_allowed).ok_or_else(|| format!("must be a whole number from 1 to {MAX_KEY_RATE}, or default"))
}

/// The id or the e-mail address of a user.
#[derive(Debug, Clone)]
pub enum UserReference {
    Id(UserId),
    Email(Email),
}

impl FromStr for UserReference {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let id = text.parse().map(Self::Id).ok();
        id.or_else(|| text.parse().map(Self::Email).ok()).ok_or("must be the id or the e-mail address of a user")
    }
}
