//! The statements of users and keys on SQLite.
//!
//! A statement reads several rows with `jsonb_each` from a JSON array of arrays, and several values with `json_each`
//! from a JSON array.

/// Does nothing if the email address belongs to another user.
pub(super) const INSERT_USER: &str = "
    insert into users (id, email, email_key, name, state, created_at, updated_at)
    values (?1, ?2, ?3, ?4, ?5, ?6, ?6)
    on conflict (email_key) do nothing";

pub(super) const USER_EXISTS: &str = "select exists (select 1 from users where id = ?1)";

pub(super) const USERS_BY_ID: &str = "
    select id, email, email_key, name, state, created_at, updated_at
    from users where id in (select unhex(value) from json_each(?1))";

pub(super) const USERS_BY_EMAIL: &str = "
    select id, email, email_key, name, state, created_at, updated_at
    from users where email_key in (select value from json_each(?1))";

pub(super) const LIST_USERS: &str = "
    select id, email, email_key, name, state, created_at, updated_at
    from users where id < ?1 order by id desc limit ?2";

pub(super) const LIST_USERS_IN_STATE: &str = "
    select id, email, email_key, name, state, created_at, updated_at
    from users indexed by users_state where state = ?3 and id < ?1 order by id desc limit ?2";

pub(super) const UPDATE_USER: &str = "
    update users set
        email = coalesce(?2, email),
        email_key = coalesce(?3, email_key),
        name = coalesce(?4, name),
        updated_at = case
            when coalesce(?2, email) <> email or coalesce(?4, name) <> name then max(?5, updated_at)
            else updated_at
        end
    where id = ?1
    returning id, email, email_key, name, state, created_at, updated_at";

pub(super) const SET_STATE: &str = "
    update users set
        state = ?2,
        updated_at = case when state <> ?2 then max(?3, updated_at) else updated_at end
    where id = ?1
    returning id, email, email_key, name, state, created_at, updated_at";

pub(super) const KEY_BY_PREFIX: &str = "select id, user_id, hash from api_keys where prefix = ?1";

pub(super) const COUNT_UNREVOKED_KEYS: &str = "select count(*) from api_keys where user_id = ?1 and revoked_at is null";

pub(super) const INSERT_KEY: &str = "
    insert into api_keys
        (id, user_id, prefix, hash, name, scopes, rate_limit_per_minute, created_at, expires_at)
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

pub(super) const KEY_BY_ID: &str = "
    select id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at
    from api_keys where id = ?1";

/// Keys that are not revoked come before revoked keys.
pub(super) const KEYS_OF_USER: &str = "
    select id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at
    from api_keys where user_id = ?1
    order by revoked_at is not null, id desc limit ?2";

/// Does nothing if the key is revoked. `?4` is true if the rate limit changes. `?5` is the new rate limit, or null for none.
pub(super) const UPDATE_KEY: &str = "
    update api_keys set
        name = coalesce(?3, name),
        rate_limit_per_minute = case when ?4 then ?5 else rate_limit_per_minute end
    where id = ?2 and user_id = ?1 and revoked_at is null
    returning id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at";

pub(super) const KEY_OF_USER_EXISTS: &str = "select exists (select 1 from api_keys where id = ?2 and user_id = ?1)";

pub(super) const REVOKE_KEY: &str = "
    update api_keys set revoked_at = coalesce(revoked_at, ?3)
    where id = ?2 and user_id = ?1
    returning id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at";

pub(super) const KEY_RECORD: &str = "
    select
        k.id, k.user_id, u.state as user_state, k.hash, k.scopes, k.rate_limit_per_minute, k.expires_at, k.revoked_at
    from api_keys k
    cross join users u on u.id = k.user_id
    where k.prefix = ?1";

pub(super) const RECORD_USES: &str = "
    update api_keys set last_used_at = used.value ->> 1
    from jsonb_each(?1) as used
    where api_keys.id = unhex(used.value ->> 0) and coalesce(api_keys.last_used_at, 0) < used.value ->> 1";

/// The email addresses are from `?1` up to but excluding `?2`, so that the index is used. `?3` is their domain.
pub(super) const LAST_SEEDED: &str = "
    select email_key from users
    where email_key >= ?1 and email_key < ?2 and substr(email_key, -length(?3)) = ?3
    order by email_key desc limit 1";

pub(super) const INSERT_SEEDED: &str = "
    insert into users (id, email, email_key, name, state, created_at, updated_at)
    select unhex(value ->> 0), value ->> 1, value ->> 1, value ->> 2, 'active', value ->> 3, value ->> 3
    from jsonb_each(?1)";
