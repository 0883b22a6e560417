-- Users and their API keys. The tables are new, so the migration does not wait for orders. A db-proxy of an earlier release does
-- not read them.

create table users (
    id uuid constraint users_pkey primary key,
    email text not null constraint users_email_in_length check (octet_length(email) between 3 and 254),
    -- Compared byte by byte: db-proxy computes a form that is equal for equal addresses.
    email_key text collate "C" not null constraint users_email_key_unique unique,
    name text not null constraint users_name_in_length check (length(name) between 1 and 200),
    state text collate "C" not null constraint users_state_is_known check (state in ('active', 'deactivated')),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint users_updated_after_created check (updated_at >= created_at)
);

-- A page of the users in one state costs the same, however many users are in the other one.
create index users_state on users (state, id);

comment on table users is 'Customers. Rows are inserted and changed, and never deleted: orders refer to them. For people: see the view users_readable.';
comment on column users.id is 'A UUID of version 7, so users are ordered by the time of their creation.';
comment on column users.email is 'The e-mail address as its owner writes it.';
comment on column users.email_key is 'The form by which addresses are compared: the local part normalized (NFC) and in lower case, and the domain in its ASCII form.';
comment on column users.name is 'Any printable text.';
comment on column users.state is 'active, or deactivated: no key of the user is accepted, and the orders of the user remain.';
comment on column users.updated_at is 'When email, name or state last changed.';

-- Room in each page, so that recording a use rewrites the row in place.
create table api_keys (
    id uuid constraint api_keys_pkey primary key,
    user_id uuid not null constraint api_keys_user_id_fkey references users (id),
    prefix text collate "C" not null constraint api_keys_prefix_unique unique,
    hash bytea not null constraint api_keys_hash_is_sha256 check (octet_length(hash) = 32),
    name text not null constraint api_keys_name_in_length check (length(name) between 1 and 200),
    scopes text collate "C" not null constraint api_keys_scopes_is_not_empty check (scopes <> ''),
    rate_limit_per_minute integer constraint api_keys_rate_limit_is_positive check (rate_limit_per_minute > 0),
    created_at timestamptz not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
) with (fillfactor = 80);

create index api_keys_user on api_keys (user_id, id);

comment on table api_keys is 'The API keys of users. A key itself is stored nowhere. Rows are never deleted. For people: see the view api_keys_readable.';
comment on column api_keys.prefix is 'The beginning of the key, such as bdk_Zk3TQ9aw. It identifies the key and is not secret.';
comment on column api_keys.hash is 'The SHA-256 of the key.';
comment on column api_keys.name is 'What the key is for.';
comment on column api_keys.scopes is 'What the key may do: one or more of orders, read and wallets, sorted and separated by commas.';
comment on column api_keys.rate_limit_per_minute is 'Requests per minute; null if the limit of the service applies.';
comment on column api_keys.expires_at is 'From this time on the key is not accepted; null if it does not expire.';
comment on column api_keys.last_used_at is 'When the key was last used, accurate to about a minute; null if it was never used.';
comment on column api_keys.revoked_at is 'When the key was revoked; null if it was not.';

create view users_readable as
select id, email, name, state, created_at, updated_at
from users
order by id desc;

comment on view users_readable is 'Users as a person reads them, newest first.';

create view api_keys_readable as
select
    k.id,
    k.prefix,
    k.user_id,
    u.email,
    u.state as user_state,
    k.name,
    k.scopes,
    k.rate_limit_per_minute,
    k.created_at,
    k.expires_at,
    k.last_used_at,
    k.revoked_at
from api_keys k
join users u on u.id = k.user_id
order by k.id desc;

comment on view api_keys_readable is 'API keys without their hashes, newest first.';
