-- The idempotency keys of new wallets. The table is new, so the migration does not wait for anything. A db-proxy of an earlier release
-- does not read it.

create table wallet_creation_keys (
    client text collate "C" not null,
    key text collate "C" not null,
    wallet_id uuid not null,
    created_at timestamptz not null,
    constraint wallet_creation_keys_pkey primary key (client, key)
);

create index wallet_creation_keys_created_at on wallet_creation_keys (created_at);

comment on table wallet_creation_keys is 'The idempotency key of each new wallet, written in its transaction. The wallet is both the fingerprint of the request and its answer. Old rows are deleted.';
comment on column wallet_creation_keys.client is 'The client that requested the wallet: anonymous, or user: and the id of the user.';
