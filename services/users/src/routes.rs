//! The HTTP endpoints of the service `users`. `common/src/access/policy.rs` decides who may use each of them.

use common::{
    access::Principal,
    api::{
        FieldError, Problem,
        keys::{ApiKey, IssuedKey, KeyList, KeyPatch, KeyPayload},
        users::{Email, LinkedUserPage, User, UserCursor, UserPatch, UserPayload, UserQuery, UserState},
    },
    ids::{KeyId, UserId},
    server::{Json, PreserializedJson, UncheckedBody},
    time::Clock,
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
};

use crate::{
    error::Error,
    user_service::UserService,
    validation::{validate_key, validate_key_patch, validate_patch, validate_user},
};

const ID_REQUIRED: &str =
    "is required with the operator token, which belongs to no user; GET /api/v1/users lists the users";

pub struct Api {
    pub users: UserService,
    pub clock: Clock,
}

/// The response to a request that creates a user.
#[derive(ApiResponse)]
enum CreateUserResponse {
    /// The user is stored durably.
    #[oai(status = 201)]
    Created(
        Json<User>,
        /// The path of the user.
        #[oai(header = "Location")]
        String,
    ),
}

/// The response to a request that creates a key.
#[derive(ApiResponse)]
enum CreateKeyResponse {
    /// The key is stored durably. Its secret is shown only here.
    #[oai(status = 201)]
    Created(
        Json<IssuedKey>,
        /// `no-store`, because the response contains a secret.
        #[oai(header = "Cache-Control")]
        String,
    ),
}

/// The response to a revocation.
#[derive(ApiResponse)]
enum RevokeKeyResponse {
    /// The key is refused everywhere within 5 seconds.
    #[oai(status = 204)]
    Revoked,
}

#[OpenApi]
impl Api {
    /// Creates a user.
    ///
    /// If the response is lost, send the request again. If it is refused with `email_taken`, find the user by its address.
    #[oai(path = "/api/v1/users", method = "post", operation_id = "create_user")]
    async fn create_user(&self, body: UncheckedBody<UserPayload>) -> Result<CreateUserResponse, Problem> {
        let payload = body.or_problem(|parsed| errors_of(validate_user(parsed)))?;
        let command = validate_user(&payload).map_err(Error::Invalid)?;
        let user = self.users.create_user(&command).await?;
        let location = format!("/api/v1/users/{}", user.id);
        Ok(CreateUserResponse::Created(Json(user), location))
    }

    /// Lists the users that pass all filters, newest first. A user may list only itself.
    ///
    /// To read all pages, follow `_links.next`, or send `next_cursor` as `cursor` with the same filters. On the last page, neither
    /// is present. Every user appears once, even while users are created.
    #[oai(path = "/api/v1/users", method = "get", operation_id = "list_users")]
    async fn list_users(
        &self,
        principal: Principal,
        /// Maximum number of users on the page.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "1000")))]
        Query(limit): Query<u32>,
        /// The `next_cursor` of the previous page.
        Query(cursor): Query<Option<UserCursor>>,
        /// The user with this address, without regard to case.
        Query(email): Query<Option<Email>>,
        /// Users in this state.
        Query(state): Query<Option<UserState>>,
    ) -> Result<PreserializedJson<LinkedUserPage>, Problem> {
        let query = UserQuery { email, state };
        Ok(PreserializedJson::new(self.users.list_users(&principal, query, cursor, limit).await?))
    }

    /// Returns one user. A user may read only itself.
    #[oai(path = "/api/v1/users/:id", method = "get", operation_id = "get_user")]
    async fn get_user(&self, principal: Principal, id: Path<UserId>) -> Result<PreserializedJson<User>, Problem> {
        Ok(PreserializedJson::new(self.users.find_user(&principal, id.0).await?))
    }

    /// Returns one user: the short form of `/api/v1/users/{id}`.
    #[oai(path = "/user", method = "get", operation_id = "find_user")]
    async fn get_user_by_query(
        &self,
        principal: Principal,
        /// The id of the user. If it is absent, the user of the API key is returned.
        Query(id): Query<Option<UserId>>,
    ) -> Result<PreserializedJson<User>, Problem> {
        let id = id.or(principal.user_id()).ok_or_else(|| Error::Invalid(vec![FieldError::new("id", ID_REQUIRED)]))?;
        Ok(PreserializedJson::new(self.users.find_user(&principal, id).await?))
    }

    /// Changes the email address or the name of a user. An absent field keeps its value.
    #[oai(path = "/api/v1/users/:id", method = "patch", operation_id = "update_user")]
    async fn update_user(&self, id: Path<UserId>, body: UncheckedBody<UserPatch>) -> Result<Json<User>, Problem> {
        let patch = body.or_problem(|parsed| errors_of(validate_patch(parsed)))?;
        let command = validate_patch(&patch).map_err(Error::Invalid)?;
        Ok(Json(self.users.update_user(id.0, &command).await?))
    }

    /// Deactivates a user: within 5 seconds, no key of the user is accepted. Repeating the request has no effect.
    ///
    /// The orders of the user remain. The keys are accepted again when the user is activated.
    #[oai(path = "/api/v1/users/:id/deactivate", method = "post", operation_id = "deactivate_user")]
    async fn deactivate_user(&self, id: Path<UserId>) -> Result<Json<User>, Problem> {
        Ok(Json(self.users.set_user_state(id.0, UserState::Deactivated).await?))
    }

    /// Activates a user: the keys of the user are accepted again. Repeating the request has no effect.
    #[oai(path = "/api/v1/users/:id/activate", method = "post", operation_id = "activate_user")]
    async fn activate_user(&self, id: Path<UserId>) -> Result<Json<User>, Problem> {
        Ok(Json(self.users.set_user_state(id.0, UserState::Active).await?))
    }

    /// Creates an API key of a user.
    ///
    /// `key` is shown only in this response. It is stored as a hash and cannot be shown again. A user may have several keys. To
    /// rotate one, create a second key, use it everywhere, and then revoke the first.
    #[oai(path = "/api/v1/users/:id/keys", method = "post", operation_id = "create_key")]
    async fn create_key(
        &self,
        id: Path<UserId>,
        body: UncheckedBody<KeyPayload>,
    ) -> Result<CreateKeyResponse, Problem> {
        let now = self.clock.now();
        let payload = body.or_problem(|parsed| errors_of(validate_key(parsed, now)))?;
        let terms = validate_key(&payload, now).map_err(Error::Invalid)?;
        let issued = self.users.create_key(id.0, &terms).await?;
        Ok(CreateKeyResponse::Created(Json(issued), "no-store".to_owned()))
    }

    /// Lists the keys of a user, newest first, without their secrets: every key that is not revoked, and the newest revoked keys.
    /// A user may list only its own keys.
    #[oai(path = "/api/v1/users/:id/keys", method = "get", operation_id = "list_keys")]
    async fn list_keys(&self, principal: Principal, id: Path<UserId>) -> Result<Json<KeyList>, Problem> {
        Ok(Json(self.users.list_keys(&principal, id.0).await?))
    }

    /// Changes the name or the rate limit of a key. An absent field keeps its value.
    ///
    /// Every service applies a new limit within 5 seconds. Requests that were counted under the earlier limit count against the new
    /// limit. `"rate_limit_per_minute":null` removes the limit of the key, so that the limit of each service applies. The scopes
    /// and the expiry of a key never change. A revoked key is not changed: 409 `key_revoked`.
    #[oai(path = "/api/v1/users/:id/keys/:key_id", method = "patch", operation_id = "update_key")]
    async fn update_key(
        &self,
        id: Path<UserId>,
        key_id: Path<KeyId>,
        body: UncheckedBody<KeyPatch>,
    ) -> Result<Json<ApiKey>, Problem> {
        let patch = body.or_problem(|parsed| errors_of(validate_key_patch(parsed)))?;
        let command = validate_key_patch(&patch).map_err(Error::Invalid)?;
        Ok(Json(self.users.update_key(id.0, key_id.0, &command).await?))
    }

    /// Revokes a key: every service refuses it within 5 seconds. Repeating the request has no effect.
    #[oai(path = "/api/v1/users/:id/keys/:key_id", method = "delete", operation_id = "revoke_key")]
    async fn revoke_key(&self, id: Path<UserId>, key_id: Path<KeyId>) -> Result<RevokeKeyResponse, Problem> {
        self.users.revoke_key(id.0, key_id.0).await?;
        Ok(RevokeKeyResponse::Revoked)
    }
}

fn errors_of<T>(result: Result<T, Vec<FieldError>>) -> Vec<FieldError> {
    result.err().unwrap_or_default()
}

fn default_limit() -> u32 {
    50
}
