//! `buydesk user …`.

use common::{
    api::{
        Code,
        users::{Email, LinkedUserPage, User, UserCursor, UserPatch, UserPayload, UserQuery, UserState},
    },
    ids::UserId,
};

use super::{
    ApiClient,
    api_client::{ServiceResponse, print_line},
    encode_query,
    error::{ClientError, FieldOption, UnknownChange, naming_options, of_change, with_advice},
    render::format_time,
};
use crate::{
    cli::{ListUsersArgs, UpdateUserArgs, UserCommand, UserReference},
    program::{option, quote},
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
    let result = with_advice(run(client, command, json).await, |code| match code {
        Code::NotFound => Some(advice_to_find_users(client)),
        _ => None,
    });
    naming_options(result, OPTIONS)
}

async fn run(client: &ApiClient, command: UserCommand, json: bool) -> anyhow::Result<()> {
    let users = &client.endpoints.users;
    let response = match command {
        UserCommand::Create { email, name } => create_user(client, email, name).await?,
        UserCommand::Get { user: None } => {
            require_own_user(client)?;
            client.get(users, "user").await?
        }
        UserCommand::Get { user: Some(UserReference::Id(id)) } => client.get(users, &format!("{PATH}/{id}")).await?,
        UserCommand::Get { user: Some(UserReference::Email(email)) } | UserCommand::Find { email } => {
            return print_found(client, &email, json).await;
        }
        UserCommand::List(args) => return list_users(client, args, json).await,
        UserCommand::Update(args) => update_user(client, args).await?,
        UserCommand::Deactivate { user } => change_state(client, &user, "deactivate").await?,
        UserCommand::Activate { user } => change_state(client, &user, "activate").await?,
    };
    response.print(json, |user: &User| table([user]).to_string())
}

async fn create_user(client: &ApiClient, email: String, name: String) -> anyhow::Result<ServiceResponse> {
    let find = client.command(&format!("user find {}", quote(&email)));
    let payload = UserPayload { email: Some(email), name: Some(name) };
    let created = client.post(&client.endpoints.users, PATH, &payload).await;
    let next_step = format!("`{find}` shows whether the user exists.");
    let created = of_change(created, UnknownChange { possible_effect: "The user may have been created.", next_step });
    with_advice(created, |code| advice_about_taken_address(code, &find))
}

async fn update_user(client: &ApiClient, args: UpdateUserArgs) -> anyhow::Result<ServiceResponse> {
    let UpdateUserArgs { user, email, name } = args;
    let id = find_id(client, &user).await?;
    let find = email.as_deref().map(|email| client.command(&format!("user find {}", quote(email))));
    let updated = client.patch(&client.endpoints.users, &format!("{PATH}/{id}"), &UserPatch { email, name }).await;
    let updated = of_change(updated, unknown_change_of(client, id));
    with_advice(updated, |code| advice_about_taken_address(code, find.as_deref()?))
}

async fn change_state(client: &ApiClient, user: &UserReference, action: &str) -> anyhow::Result<ServiceResponse> {
    let id = find_id(client, user).await?;
    let changed = client.post_empty(&client.endpoints.users, &format!("{PATH}/{id}/{action}")).await;
    of_change(changed, unknown_change_of(client, id))
}

fn unknown_change_of(client: &ApiClient, id: UserId) -> UnknownChange {
    let get = client.command(&format!("user get {id}"));
    let next_step = format!("`{get}` shows the user. To repeat the change, run the command again.");
    UnknownChange { possible_effect: "The user may have been changed.", next_step }
}

fn advice_about_taken_address(code: Code, find: &str) -> Option<String> {
    (code == Code::EmailTaken).then(|| format!("`{find}` shows the user with this address."))
}

/// The advice if a user is not found.
pub(super) fn advice_to_find_users(client: &ApiClient) -> String {
    if client.is_user_manager() {
        format!("`{}` lists the users.", client.command("user list"))
    } else {
        let own = client.command("user get");
        format!("An API key finds only its own user, which `{own}` shows. An operator finds every user.")
    }
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
    require_own_user(client)?;
    Ok(client.get(&client.endpoints.users, "user").await?.parse::<User>()?.id)
}

/// Fails if the command acts as an operator. An operator has no user, so the command must name one.
fn require_own_user(client: &ApiClient) -> Result<(), ClientError> {
    if client.is_user_manager() {
        let message =
            "<USER> is required with OPERATOR_TOKEN, which belongs to no user: the id or the e-mail address of a user";
        return Err(ClientError::invalid_arguments(message).replacing_next_step(format!(
            "{} To show the user of an API key, set BUYDESK_API_KEY and unset OPERATOR_TOKEN.",
            advice_to_find_users(client)
        )));
    }
    Ok(())
}

async fn find_user(client: &ApiClient, email: &Email) -> anyhow::Result<User> {
    let path = format!("{PATH}?{}", encode_query([("email", email.to_string())]));
    let page: LinkedUserPage = client.get(&client.endpoints.users, &path).await?.parse()?;
    let found = page.data.into_iter().next();
    Ok(found.ok_or_else(|| {
        let message = format!("No user has the e-mail address {email}, in upper or lower case.");
        ClientError::new("not_found", message, advice_to_find_users(client))
    })?)
}

/// Prints the user with this e-mail address in the same form as `user get` with an id.
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
