//! The statements of users and keys on PostgreSQL.

/// Does nothing if a user with the email address or the id is stored. Waits for a concurrent transaction that inserts
/// the same email address.
pub(super) const INSERT_USER: &str = "
    insert into users (id, email, email_key, name, state, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $6)
    on conflict do nothing";

pub(super) const ID_BY_EMAIL: &str = "select id from users where email_key = $1";

pub(super) const USER_EXISTS: &str = "select exists (select from users where id = $1)";

pub(super) const USERS_BY_ID: &str = "
    select id, email, email_key, name, state, created_at, updated_at from users where id = any($1)";

pub(super) const USERS_BY_EMAIL: &str = "
    select id, email, email_key, name, state, created_at, updated_at from users where email_key = any($1)";

pub(super) const LIST_USERS: &str = "
    select id, email, email_key, name, state, created_at, updated_at
    from users where id < $1 order by id desc limit $2";

/// A separate statement, so that the planner can use the index of the states.
pub(super) const LIST_USERS_IN_STATE: &str = "
    select id, email, email_key, name, state, created_at, updated_at
    from users where state = $3 and id < $1 order by id desc limit $2";

pub(super) const UPDATE_USER: &str = "
    update users set
        email = coalesce($2, email),
        email_key = coalesce($3, email_key),
        name = coalesce($4, name),
        updated_at = case
            when coalesce($2, email) <> email or coalesce($4, name) <> name then greatest($5, updated_at)
            else updated_at
        end
    where id = $1
    returning id, email, email_key, name, state, created_at, updated_at";

pub(super) const SET_STATE: &str = "
    update users set
        state = $2,
        updated_at = case when state <> $2 then greatest($3, updated_at) else updated_at end
    where id = $1
    returning id, email, email_key, name, state, created_at, updated_at";

/// Excludes other transactions that store a key of the user.
pub(super) const LOCK_USER: &str = "select id from users where id = $1 for no key update";

pub(super) const KEY_BY_PREFIX: &str = "select id, user_id, hash from api_keys where prefix = $1";

pub(super) const COUNT_UNREVOKED_KEYS: &str = "select count(*) from api_keys where user_id = $1 and revoked_at is null";

/// Does nothing if a concurrent transaction inserted the prefix.
pub(super) const INSERT_KEY: &str = "
    insert into api_keys
        (id, user_id, prefix, hash, name, scopes, rate_limit_per_minute, created_at, expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (prefix) do nothing
    returning
        id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at";

pub(super) const KEY_BY_ID: &str = "
    select id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at
    from api_keys where id = $1";

/// Keys that are not revoked come before revoked keys.
pub(super) const KEYS_OF_USER: &str = "
    select id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at
    from api_keys where user_id = $1
    order by revoked_at is not null, id desc limit $2";

/// Does nothing if the key is revoked. `$4` is true if the rate limit changes. `$5` is the new rate limit, or null for none.
pub(super) const UPDATE_KEY: &str = "
    update api_keys set
        name = coalesce($3, name),
        rate_limit_per_minute = case when $4 then $5 else rate_limit_per_minute end
    where id = $2 and user_id = $1 and revoked_at is null
    returning id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at";

pub(super) const KEY_OF_USER_EXISTS: &str = "select exists (select 1 from api_keys where id = $2 and user_id = $1)";

pub(super) const REVOKE_KEY: &str = "
    update api_keys set revoked_at = coalesce(revoked_at, $3)
    where id = $2 and user_id = $1
    returning id, prefix, name, scopes, rate_limit_per_minute, created_at, expires_at, last_used_at, revoked_at";

pub(super) const KEY_RECORD: &str = "
    select
        k.id, k.user_id, u.state as user_state, k.hash, k.scopes, k.rate_limit_per_minute, k.expires_at, k.revoked_at
    from api_keys k
    join users u on u.id = k.user_id
    where k.prefix = $1";

/// Locks the rows in the order of the ids, so that concurrent requests do not deadlock.
pub(super) const RECORD_USES: &str = "
    with
        locked as materialized (
            select k.id, used.used_at
            from unnest($1::uuid[], $2::timestamptz[]) as used (id, used_at)
            join api_keys k on k.id = used.id
            order by k.id
            for update of k
        )
    update api_keys set last_used_at = locked.used_at
    from locked
    where api_keys.id = locked.id and (api_keys.last_used_at is null or api_keys.last_used_at < locked.used_at)";

/// `$1` and `$2` limit the range of the index, and `$3` is the domain of the addresses. Runs with [`READ_ONE_INDEX_ENTRY`].
pub(super) const LAST_SEEDED: &str = "
    select email_key from users
    where email_key >= $1 and email_key < $2 and right(email_key, length($3)) = $3
    order by email_key desc limit 1";

/// Settings with which [`LAST_SEEDED`] reads its index from the end and stops at the first match. When the table grows
/// by millions of rows, its statistics are out of date. The planner then assumes that the range is almost empty.
/// Without the settings, a query would read and sort all rows of the range.
pub(super) const READ_ONE_INDEX_ENTRY: [&str; 2] = ["set local enable_sort = off", "set local enable_bitmapscan = off"];

/// The fields of a line are separated by tabs, as in the text format of PostgreSQL.
pub(super) const COPY_USERS: &str =
    "copy users (id, email, email_key, name, state, created_at, updated_at) from stdin (format text)";
