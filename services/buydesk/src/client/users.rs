//! `buydesk user …`.

use common::{
    api::users::{Email, LinkedUserPage, User, UserCursor, UserPatch, UserPayload, UserQuery, UserState},
    ids::UserId,
};

use super::{
    ApiClient,
    api_client::{ServiceResponse, print_line},
    encode_query,
    error::{ClientError, FieldOption, naming_options},
    render::format_time,
};
use crate::{
    cli::{ListUsersArgs, UserCommand, UserReference},
    program::option,
    table::Table,
};

const PATH: &str = "api/v1/users";
/// The options of `buydesk user …`.
const OPTIONS: &[FieldOption] = &[
    FieldOption { field: "email", option: "--email" },
    FieldOption { field: "name", option: "--name" },
    FieldOption { field: "limit", option: "--limit" },
    FieldOption { field: "cursor", option: "--cursor" },
    FieldOption { field: "state", option: "--state" },
];

/// Runs `buydesk user …`.
pub async fn run_user_command(client: &ApiClient, command: UserCommand, json: bool) -> anyhow::Result<()> {
    naming_options(run(client, command, json).await, OPTIONS)
}

async fn run(client: &ApiClient, command: UserCommand, json: bool) -> anyhow::Result<()> {
    let users = &client.endpoints.users;
    let response = match command {
        UserCommand::Create { email, name } => {
            client.post(users, PATH, &UserPayload { email: Some(email), name: Some(name) }).await?
        }
        UserCommand::Get { user: None } => client.get(users, "user").await?,
        UserCommand::Get { user: Some(UserReference::Id(id)) } => client.get(users, &format!("{PATH}/{id}")).await?,
        UserCommand::Get { user: Some(UserReference::Email(email)) } | UserCommand::Find { email } => {
            return print_found(client, &email, json).await;
        }
        UserCommand::List(args) => return list_users(client, args, json).await,
        UserCommand::Update { user, email, name } => {
            let path = format!("{PATH}/{}", find_id(client, &user).await?);
            client.patch(users, &path, &UserPatch { email, name }).await?
        }
        UserCommand::Deactivate { user } => change_state(client, &user, "deactivate").await?,
        UserCommand::Activate { user } => change_state(client, &user, "activate").await?,
    };
    response.print(json, |user: &User| table([user]).to_string())
}

async fn change_state(client: &ApiClient, user: &UserReference, action: &str) -> anyhow::Result<ServiceResponse> {
    let path = format!("{PATH}/{}/{action}", find_id(client, user).await?);
    client.post_empty(&client.endpoints.users, &path).await
}

/// The id of a user. Finds the user if the reference is an e-mail address.
pub(super) async fn find_id(client: &ApiClient, reference: &UserReference) -> anyhow::Result<UserId> {
    match reference {
        UserReference::Id(id) => Ok(*id),
        UserReference::Email(email) => Ok(find_user(client, email).await?.id),
    }
}

/// The id of the user of the API key.
pub(super) async fn own_id(client: &ApiClient) -> anyhow::Result<UserId> {
    Ok(client.get(&client.endpoints.users, "user").await?.parse::<User>()?.id)
}

async fn find_user(client: &ApiClient, email: &Email) -> anyhow::Result<User> {
    let path = format!("{PATH}?{}", encode_query([("email", email.to_string())]));
    let page: LinkedUserPage = client.get(&client.endpoints.users, &path).await?.parse()?;
    let found = page.data.into_iter().next();
    Ok(found.ok_or_else(|| {
        let list = client.command("user list");
        ClientError::new(
            "not_found",
            format!("No user has the e-mail address {email}."),
            format!("`{list}` lists the users. Upper and lower case of an e-mail address are not distinguished."),
        )
    })?)
}

/// Prints the user with this e-mail address. With `json`, in the same form as `user get` with an id.
async fn print_found(client: &ApiClient, email: &Email, json: bool) -> anyhow::Result<()> {
    let user = find_user(client, email).await?;
    print_line(&if json { serde_json::to_string(&user)? } else { table([&user]).to_string() })
}

async fn list_users(client: &ApiClient, args: ListUsersArgs, json: bool) -> anyhow::Result<()> {
    let ListUsersArgs { limit, cursor, state } = args;
    let query = UserQuery { email: None, state: state.map(UserState::from) };
    let response = client.get(&client.endpoints.users, &format!("{PATH}?{}", query.to_query(cursor, limit))).await?;
    if json {
        return response.print_json();
    }
    let page: LinkedUserPage = response.parse()?;
    if page.data.is_empty() {
        return print_line("No users.");
    }
    let next = page
        .next_cursor
        .map(|cursor| format!("\nMore users: {}", client.command(&list_command(limit, &query, cursor))));
    print_line(&format!("{}{}", table(&page.data), next.unwrap_or_default()))
}

/// The command that shows the same list from `cursor` on.
fn list_command(limit: u32, query: &UserQuery, cursor: UserCursor) -> String {
    let state = option("state", query.state.map(UserState::as_str));
    format!("user list{}{state}{}", option("limit", Some(limit)), option("cursor", Some(cursor)))
}

fn table<'a>(users: impl IntoIterator<Item = &'a User>) -> Table {
    let mut table = Table::new(["id", "email", "name", "state", "created"], &[])
        .wrapped("email")
        .wrapped("name")
        .optional(["created"]);
    for user in users {
        table.add_row([
            user.id.to_string(),
            user.email.to_string(),
            user.name.to_string(),
            user.state.as_str().to_owned(),
            format_time(user.created_at),
        ]);
    }
    table
}

#[cfg(test)]
mod tests;
