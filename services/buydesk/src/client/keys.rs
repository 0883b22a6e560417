//! `buydesk key …`.

use common::{
    api::keys::{ApiKey, IssuedKey, KeyList, KeyPatch, KeyPayload, Scope},
    ids::UserId,
    time::Timestamp,
};

use super::{
    ApiClient,
    api_client::print_line,
    error::{FieldOption, naming_options},
    render::format_time,
    users::{find_id, own_id},
};
use crate::{
    cli::{CreateKeyArgs, KeyCommand, UpdateKeyArgs},
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
    match command {
        KeyCommand::Create(args) => naming_options(create_key(client, args, json).await, OPTIONS),
        KeyCommand::List { user } => {
            let user = match user {
                Some(user) => find_id(client, &user).await?,
                None => own_id(client).await?,
            };
            let response = client.get(&client.endpoints.users, &path(user)).await?;
            response.print(json, |list: &KeyList| match list.data.as_slice() {
                [] => "No keys.".to_owned(),
                keys => table(keys).to_string(),
            })
        }
        KeyCommand::Update(args) => naming_options(update_key(client, args, json).await, OPTIONS),
        KeyCommand::Revoke { user, key } => {
            let user = find_id(client, &user).await?;
            client.delete(&client.endpoints.users, &format!("{}/{key}", path(user))).await?;
            // The response is empty.
            if json {
                Ok(())
            } else {
                print_line(&format!("Key {key} is revoked. Every service refuses it within 5 s."))
            }
        }
    }
}

async fn create_key(client: &ApiClient, args: CreateKeyArgs, json: bool) -> anyhow::Result<()> {
    let CreateKeyArgs { user, name, scopes, rate_limit, expires_at } = args;
    let user = find_id(client, &user).await?;
    let payload = KeyPayload { name: Some(name), scopes: Some(scopes), rate_limit_per_minute: rate_limit, expires_at };
    let response = client.post(&client.endpoints.users, &path(user), &payload).await?;
    response.print(json, |issued: &IssuedKey| {
        let IssuedKey { key, details } = issued;
        let secret = key.expose();
        format!(
            "{}\nThe key is shown only once:\n  {secret}\nTo use the key: BUYDESK_API_KEY={secret} {}",
            table([details]),
            client.command("order list")
        )
    })
}

async fn update_key(client: &ApiClient, args: UpdateKeyArgs, json: bool) -> anyhow::Result<()> {
    let UpdateKeyArgs { user, key, name, rate_limit } = args;
    let path = format!("{}/{key}", path(find_id(client, &user).await?));
    let change = KeyPatch { name, rate_limit_per_minute: rate_limit.unwrap_or_default() };
    let response = client.patch(&client.endpoints.users, &path, &change).await?;
    response.print(json, |key: &ApiKey| match rate_limit {
        Some(_) => format!("{}\nEvery service applies the limit within 5 s.", table([key])),
        None => table([key]).to_string(),
    })
}

fn path(user: UserId) -> String {
    format!("api/v1/users/{user}/keys")
}

fn table<'a>(keys: impl IntoIterator<Item = &'a ApiKey>) -> Table {
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
            state(key, now),
            key.last_used_at.map(format_time).unwrap_or_default(),
            format_time(key.created_at),
        ]);
    }
    table.without_empty("per minute").without_empty(LAST_USED)
}

/// The state of the key: valid, revoked or expired. A valid key of a deactivated user is refused all the same.
fn state(key: &ApiKey, now: Timestamp) -> String {
    match (key.revoked_at, key.expires_at) {
        (Some(revoked_at), _) => format!("revoked {}", format_time(revoked_at)),
        (None, Some(expires_at)) if expires_at <= now => format!("expired {}", format_time(expires_at)),
        (None, Some(expires_at)) => format!("valid until {}", format_time(expires_at)),
        (None, None) => "valid".to_owned(),
    }
}

#[cfg(test)]
mod tests;
