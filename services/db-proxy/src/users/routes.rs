//! The HTTP endpoints of users and keys. Each endpoint requires the token of a service that has the permission for it; see
//! `common/src/server/internal_caller.rs`.

use common::{
    api::{
        Problem,
        keys::{ApiKey, KeyList, KeyPrefix, KeyRecord, KeyUses, StoreKeyCommand, UpdateKeyCommand},
        users::{
            CreateUserCommand, Email, FoundUsers, UpdateUserCommand, User, UserCursor, UserLookup, UserPage, UserQuery,
            UserState,
        },
    },
    ids::{KeyId, UserId},
    server::{Json, KeyReader, UserAdmin},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
};

use super::UserService;

pub struct UserRoutes(pub UserService);

/// The response to a request that creates a user.
#[derive(ApiResponse)]
enum CreateUserResponse {
    /// The user is stored durably.
    #[oai(status = 201)]
    Created(Json<User>),
}

/// The response to a request that stores a key.
#[derive(ApiResponse)]
enum StoreKeyResponse {
    /// The key is stored durably.
    #[oai(status = 201)]
    Stored(Json<ApiKey>),
}

/// The response to a request that records uses of keys.
#[derive(ApiResponse)]
enum KeyUsesResponse {
    /// The uses are recorded.
    #[oai(status = 204)]
    Recorded,
}

#[OpenApi]
impl UserRoutes {
    /// Creates a user.
    ///
    /// If the response of a request that created the user is lost, a repetition of the request is refused with `email_taken`.
    #[oai(path = "/users", method = "post", operation_id = "create_user")]
    async fn create_user(
        &self,
        _caller: UserAdmin,
        body: Json<CreateUserCommand>,
    ) -> Result<CreateUserResponse, Problem> {
        Ok(CreateUserResponse::Created(Json(self.0.create_user(body.0).await?)))
    }

    /// Returns the users that pass all filters, newest first.
    #[oai(path = "/users", method = "get", operation_id = "list_users")]
    async fn list_users(
        &self,
        _caller: UserAdmin,
        #[oai(default = "default_page", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<UserCursor>>,
        Query(email): Query<Option<Email>>,
        Query(state): Query<Option<UserState>>,
    ) -> Result<Json<UserPage>, Problem> {
        let query = UserQuery { email, state };
        Ok(Json(self.0.list_users(&query, cursor.0, limit.0).await?))
    }

    /// Returns the users that have one of these ids or one of these email addresses.
    #[oai(path = "/users/lookup", method = "post", operation_id = "lookup_users")]
    async fn lookup_users(&self, _caller: UserAdmin, body: Json<UserLookup>) -> Result<Json<FoundUsers>, Problem> {
        Ok(Json(self.0.find_users(&body.0).await?))
    }

    /// Returns one user.
    #[oai(path = "/users/:id", method = "get", operation_id = "get_user")]
    async fn get_user(&self, _caller: UserAdmin, id: Path<UserId>) -> Result<Json<User>, Problem> {
        Ok(Json(self.0.user(id.0).await?))
    }

    /// Changes the email address or the name of a user. Repeating the request has no effect.
    #[oai(path = "/users/:id", method = "patch", operation_id = "update_user")]
    async fn update_user(
        &self,
        _caller: UserAdmin,
        id: Path<UserId>,
        body: Json<UpdateUserCommand>,
    ) -> Result<Json<User>, Problem> {
        Ok(Json(self.0.update_user(id.0, &body.0).await?))
    }

    /// Deactivates a user: no key of the user is accepted. Repeating the request has no effect.
    #[oai(path = "/users/:id/deactivate", method = "post", operation_id = "deactivate_user")]
    async fn deactivate_user(&self, _caller: UserAdmin, id: Path<UserId>) -> Result<Json<User>, Problem> {
        Ok(Json(self.0.set_state(id.0, UserState::Deactivated).await?))
    }

    /// Activates a user: the keys of the user are accepted again. Repeating the request has no effect.
    #[oai(path = "/users/:id/activate", method = "post", operation_id = "activate_user")]
    async fn activate_user(&self, _caller: UserAdmin, id: Path<UserId>) -> Result<Json<User>, Problem> {
        Ok(Json(self.0.set_state(id.0, UserState::Active).await?))
    }

    /// Stores a key of a user. Repeating the request has no effect: the prefix and the hash identify the key.
    #[oai(path = "/users/:id/keys", method = "post", operation_id = "store_key")]
    async fn store_key(
        &self,
        _caller: UserAdmin,
        id: Path<UserId>,
        body: Json<StoreKeyCommand>,
    ) -> Result<StoreKeyResponse, Problem> {
        Ok(StoreKeyResponse::Stored(Json(self.0.store_key(id.0, body.0).await?)))
    }

    /// Returns the keys of a user, newest first: every key that is not revoked, and the newest revoked keys.
    #[oai(path = "/users/:id/keys", method = "get", operation_id = "list_keys")]
    async fn list_keys(&self, _caller: UserAdmin, id: Path<UserId>) -> Result<Json<KeyList>, Problem> {
        Ok(Json(self.0.keys_of(id.0).await?))
    }

    /// Changes the name or the rate limit of a key of a user. Repeating the request has no effect. A revoked key is not
    /// changed.
    #[oai(path = "/users/:id/keys/:key_id", method = "patch", operation_id = "update_key")]
    async fn update_key(
        &self,
        _caller: UserAdmin,
        id: Path<UserId>,
        key_id: Path<KeyId>,
        body: Json<UpdateKeyCommand>,
    ) -> Result<Json<ApiKey>, Problem> {
        Ok(Json(self.0.update_key(id.0, key_id.0, &body.0).await?))
    }

    /// Revokes a key of a user. Repeating the request has no effect.
    #[oai(path = "/users/:id/keys/:key_id", method = "delete", operation_id = "revoke_key")]
    async fn revoke_key(
        &self,
        _caller: UserAdmin,
        id: Path<UserId>,
        key_id: Path<KeyId>,
    ) -> Result<Json<ApiKey>, Problem> {
        Ok(Json(self.0.revoke_key(id.0, key_id.0).await?))
    }

    /// Returns the record of a key, even if the key is revoked or expired or its user is deactivated.
    #[oai(path = "/keys/:prefix", method = "get", operation_id = "get_key")]
    async fn get_key(&self, _caller: KeyReader, prefix: Path<KeyPrefix>) -> Result<Json<KeyRecord>, Problem> {
        Ok(Json(self.0.key_record(&prefix.0).await?))
    }

    /// Records the last uses of keys. Ignores unknown keys, and uses that are not later than the recorded use.
    #[oai(path = "/keys/uses", method = "post", operation_id = "record_key_uses")]
    async fn record_key_uses(&self, _caller: KeyReader, body: Json<KeyUses>) -> Result<KeyUsesResponse, Problem> {
        self.0.record_uses(&body.0).await?;
        Ok(KeyUsesResponse::Recorded)
    }
}

fn default_page() -> u32 {
    50
}
