-- The idempotency keys of new wallets. The columns are explained on PostgreSQL.

create table wallet_creation_keys (
    client text not null,
    key text not null,
    wallet_id blob not null,
    created_at integer not null,
    constraint wallet_creation_keys_pkey primary key (client, key)
) strict, without rowid;

create index wallet_creation_keys_created_at on wallet_creation_keys (created_at);
