-- Users and their API keys. The columns are explained on PostgreSQL. Times are whole microseconds since 1970 in UTC, ids are the 16
-- bytes of a UUID. The tables have no row id: they are sorted by the ids, by which rows are read.

create table users (
    id blob not null constraint users_pkey primary key,
    email text not null constraint users_email_in_length check (length(cast(email as blob)) between 3 and 254),
    email_key text not null constraint users_email_key_unique unique,
    name text not null constraint users_name_in_length check (length(name) between 1 and 200),
    state text not null constraint users_state_is_known check (state in ('active', 'deactivated')),
    created_at integer not null,
    updated_at integer not null,
    constraint users_updated_after_created check (updated_at >= created_at)
) strict, without rowid;

create index users_state on users (state, id);

create table api_keys (
    id blob not null constraint api_keys_pkey primary key,
    user_id blob not null constraint api_keys_user_id_fkey references users (id),
    prefix text not null constraint api_keys_prefix_unique unique,
    hash blob not null constraint api_keys_hash_is_sha256 check (length(hash) = 32),
    name text not null constraint api_keys_name_in_length check (length(name) between 1 and 200),
    scopes text not null constraint api_keys_scopes_is_not_empty check (scopes <> ''),
    rate_limit_per_minute integer constraint api_keys_rate_limit_is_positive check (rate_limit_per_minute > 0),
    created_at integer not null,
    expires_at integer,
    last_used_at integer,
    revoked_at integer
) strict, without rowid;

create index api_keys_user on api_keys (user_id, id);

create view users_readable as
select
    lower(
        substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-'
        || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)
    ) as id,
    email,
    name,
    state,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch') || printf('.%06dZ', created_at % 1000000) as created_at,
    strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000000, 'unixepoch') || printf('.%06dZ', updated_at % 1000000) as updated_at
from users
order by users.id desc;

create view api_keys_readable as
select
    lower(
        substr(hex(k.id), 1, 8) || '-' || substr(hex(k.id), 9, 4) || '-' || substr(hex(k.id), 13, 4) || '-'
        || substr(hex(k.id), 17, 4) || '-' || substr(hex(k.id), 21)
    ) as id,
    k.prefix,
    lower(
        substr(hex(k.user_id), 1, 8) || '-' || substr(hex(k.user_id), 9, 4) || '-' || substr(hex(k.user_id), 13, 4) || '-'
        || substr(hex(k.user_id), 17, 4) || '-' || substr(hex(k.user_id), 21)
    ) as user_id,
    u.email,
    u.state as user_state,
    k.name,
    k.scopes,
    k.rate_limit_per_minute,
    strftime('%Y-%m-%dT%H:%M:%S', k.created_at / 1000000, 'unixepoch') || printf('.%06dZ', k.created_at % 1000000) as created_at,
    strftime('%Y-%m-%dT%H:%M:%S', k.expires_at / 1000000, 'unixepoch') || printf('.%06dZ', k.expires_at % 1000000) as expires_at,
    strftime('%Y-%m-%dT%H:%M:%S', k.last_used_at / 1000000, 'unixepoch') || printf('.%06dZ', k.last_used_at % 1000000)
        as last_used_at,
    strftime('%Y-%m-%dT%H:%M:%S', k.revoked_at / 1000000, 'unixepoch') || printf('.%06dZ', k.revoked_at % 1000000) as revoked_at
from api_keys k
join users u on u.id = k.user_id
order by k.id desc;
