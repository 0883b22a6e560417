//! `buydesk key …`.

use common::{
    api::{
        Code,
        keys::{ApiKey, IssuedKey, KeyList, KeyPatch, KeyPayload, Scope, Scopes},
        users::{User, UserState},
    },
    ids::{KeyId, UserId},
    time::Timestamp,
};

use super::{
    ApiClient,
    api_client::print_line,
    error::{FieldOption, UnknownChange, naming_options, of_change, with_advice},
    render::format_time,
    users::{advice_to_find_users, find_id, own_id},
};
use crate::{
    cli::{CreateKeyArgs, KeyCommand, UpdateKeyArgs, UserReference},
    table::Table,
};

/// The options of `buydesk key create` and `buydesk key update`.
const OPTIONS: &[FieldOption] = &[
    FieldOption { field: "name", option: "--name" },
    FieldOption { field: "scopes", option: "--scopes" },
    FieldOption { field: "rate_limit_per_minute", option: "--rate-limit" },
    FieldOption { field: "expires_at", option: "--expires-at" },
];
const LAST_USED: &str = "last used";

/// Runs `buydesk key …`.
pub async fn run_key_command(client: &ApiClient, command: KeyCommand, json: bool) -> anyhow::Result<()> {
    let result = match command {
        KeyCommand::Create(args) => create_key(client, args, json).await,
        KeyCommand::List { user } => list_keys(client, user.as_ref(), json).await,
        KeyCommand::Update(args) => update_key(client, args, json).await,
        KeyCommand::Revoke { user, key } => revoke_key(client, &user, key, json).await,
    };
    let result = with_advice(result, |code| match code {
        Code::NotFound => Some(advice_to_find_users(client)),
        _ => None,
    });
    naming_options(result, OPTIONS)
}

async fn create_key(client: &ApiClient, args: CreateKeyArgs, json: bool) -> anyhow::Result<()> {
    let CreateKeyArgs { user, name, scopes, rate_limit, expires_at } = args;
    let user = find_id(client, &user).await?;
    let rate_limit_per_minute = rate_limit.and_then(|limit| limit.apply(None));
    let payload = KeyPayload { name: Some(name), scopes: Some(scopes), rate_limit_per_minute, expires_at };
    // The state is read before the key is created: a failure between creation and output would lose the secret.
    let owner = shown_state(client, user, json).await;
    let created = client.post(&client.endpoints.users, &path(user), &payload).await;
    let list = list_command(client, user);
    let next_step = format!("`{list}` lists the keys. If the key is there, revoke it, and create another one.");
    let possible_effect = "The key may have been created, but nobody has its secret.";
    let created = of_change(created, UnknownChange { possible_effect, next_step });
    let response = with_advice(created, |code| match code {
        Code::KeyLimitExceeded => Some(format!("`{list}` lists the keys, and `key revoke` revokes one.")),
        _ => None,
    })?;
    response.print(json, |issued: &IssuedKey| {
        let IssuedKey { key, details } = issued;
        let secret = key.expose();
        let usage = match owner {
            UserState::Active => {
                usage(&format!("BUYDESK_API_KEY={secret} {}", client.command("order list")), &details.scopes)
            }
            UserState::Deactivated => "Every service refuses the key, because the user is deactivated.".to_owned(),
        };
        format!("{}\nThe key is shown only once:\n  {secret}\n{usage}", table([details], owner))
    })
}

/// How to use a new key. `list_orders` is a command that lists orders with the key.
fn usage(list_orders: &str, scopes: &Scopes) -> String {
    if scopes.contain(Scope::Read) {
        format!("To use the key: {list_orders}")
    } else {
        "To use the key, set BUYDESK_API_KEY to it. Without the scope read, it cannot show orders, quotes or the user."
            .to_owned()
    }
}

async fn list_keys(client: &ApiClient, user: Option<&UserReference>, json: bool) -> anyhow::Result<()> {
    let user = match user {
        Some(user) => find_id(client, user).await?,
        None => own_id(client).await?,
    };
    let response = client.get(&client.endpoints.users, &path(user)).await?;
    let owner = shown_state(client, user, json).await;
    response.print(json, |list: &KeyList| match list.data.as_slice() {
        [] => "No keys.".to_owned(),
        keys => table(keys, owner).to_string(),
    })
}

/// The state of the user for a table. It is active if the user cannot be read, so that the table still shows the keys.
/// With `json`, the user is not read, because JSON does not contain the state.
async fn shown_state(client: &ApiClient, user: UserId, json: bool) -> UserState {
    if json {
        return UserState::Active;
    }
    let found = client.get(&client.endpoints.users, &format!("api/v1/users/{user}")).await;
    found.and_then(|response| response.parse::<User>()).map_or(UserState::Active, |user| user.state)
}

async fn update_key(client: &ApiClient, args: UpdateKeyArgs, json: bool) -> anyhow::Result<()> {
    let UpdateKeyArgs { user, key, name, rate_limit } = args;
    let user = find_id(client, &user).await?;
    let change = KeyPatch { name, rate_limit_per_minute: rate_limit.unwrap_or_default() };
    let updated = client.patch(&client.endpoints.users, &format!("{}/{key}", path(user)), &change).await;
    let response = explain_change(client, user, updated)?;
    let owner = shown_state(client, user, json).await;
    response.print(json, |key: &ApiKey| match rate_limit {
        Some(_) => format!("{}\nEvery service applies the limit within 5 s.", table([key], owner)),
        None => table([key], owner).to_string(),
    })
}

async fn revoke_key(client: &ApiClient, user: &UserReference, key: KeyId, json: bool) -> anyhow::Result<()> {
    let user = find_id(client, user).await?;
    let revoked = client.delete(&client.endpoints.users, &format!("{}/{key}", path(user))).await;
    explain_change(client, user, revoked)?;
    // With `json`, nothing is printed, because the response is empty.
    if json { Ok(()) } else { print_line(&format!("Key {key} is revoked. Every service refuses it within 5 s.")) }
}

/// Adds advice to the error of a key change: how to find out whether the change was made, and how to find the key.
fn explain_change<T>(client: &ApiClient, user: UserId, result: anyhow::Result<T>) -> anyhow::Result<T> {
    let list = list_command(client, user);
    let next_step = format!("`{list}` shows the key. To repeat the change, run the command again.");
    let result = of_change(result, UnknownChange { possible_effect: "The key may have been changed.", next_step });
    with_advice(result, |code| match code {
        Code::NotFound => Some(format!("`{list}` lists the keys of the user.")),
        _ => None,
    })
}

fn list_command(client: &ApiClient, user: UserId) -> String {
    client.command(&format!("key list {user}"))
}

fn path(user: UserId) -> String {
    format!("api/v1/users/{user}/keys")
}

fn table<'a>(keys: impl IntoIterator<Item = &'a ApiKey>, owner: UserState) -> Table {
    let header = ["id", "prefix", "name", "scopes", "per minute", "state", LAST_USED, "created"];
    let mut table = Table::new(header, &[4]).wrapped("name").wrapped("scopes").optional(["created", LAST_USED]);
    let now = Timestamp::now();
    for key in keys {
        table.add_row([
            key.id.to_string(),
            key.prefix.to_string(),
            key.name.to_string(),
            key.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "),
            key.rate_limit_per_minute.map(|limit| limit.to_string()).unwrap_or_default(),
            state(key, owner, now),
            key.last_used_at.map(format_time).unwrap_or_default(),
            format_time(key.created_at),
        ]);
    }
    table.without_empty("per minute").without_empty(LAST_USED)
}

/// The state of the key: valid, revoked, expired, or refused because its owner is deactivated.
fn state(key: &ApiKey, owner: UserState, now: Timestamp) -> String {
    match (key.revoked_at, key.expires_at) {
        (Some(revoked_at), _) => format!("revoked {}", format_time(revoked_at)),
        (None, Some(expires_at)) if expires_at <= now => format!("expired {}", format_time(expires_at)),
        (None, _) if owner == UserState::Deactivated => "refused: the user is deactivated".to_owned(),
        (None, Some(expires_at)) => format!("valid until {}", format_time(expires_at)),
        (None, None) => "valid".to_owned(),
    }
}

#[cfg(test)]
mod tests;
