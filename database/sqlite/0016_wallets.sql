-- Wallets and their journal. The columns are explained on PostgreSQL. Times are whole microseconds since 1970 in UTC, ids are the 16
-- bytes of a UUID. SQLite has no trigger that runs once for a statement, so only `verify` checks that movements add up to zero.

create table wallets (
    id blob not null constraint wallets_pkey primary key,
    currency text not null constraint wallets_currency_is_three_letters check (length(currency) = 3),
    user_id blob,
    balance integer not null default 0
        constraint wallets_balance_in_range check (balance >= 0 and balance < 1000000000000000000),
    entries integer not null default 0 constraint wallets_entries_not_negative check (entries >= 0),
    created_at integer not null,
    last_entry_at integer not null,
    last_refused_at integer not null
) strict, without rowid;

create index wallets_by_user on wallets (user_id, id);

create table movements (
    id blob not null constraint movements_pkey primary key,
    kind text not null
        constraint movements_kind_is_known check (kind in ('deposit', 'withdrawal', 'transfer', 'order')),
    created_at integer not null,
    client text not null,
    key text not null,
    written_by text not null
) strict, without rowid;

create table entries (
    movement_id blob not null,
    line integer not null constraint entries_line_is_positive check (line > 0),
    wallet_id blob,
    number integer constraint entries_number_is_positive check (number > 0),
    currency text not null constraint entries_currency_is_three_letters check (length(currency) = 3),
    amount integer not null constraint entries_amount_is_not_zero check (amount <> 0),
    balance integer constraint entries_balance_in_range check (balance >= 0 and balance < 1000000000000000000),
    constraint entries_pkey primary key (movement_id, line),
    constraint entries_of_wallets_are_numbered
        check ((wallet_id is null) = (number is null) and (wallet_id is null) = (balance is null))
) strict, without rowid;

create unique index entries_wallet_number_unique on entries (wallet_id, number) where wallet_id is not null;

create table wallet_keys (
    client text not null,
    key text not null,
    movement_id blob not null,
    created_at integer not null,
    constraint wallet_keys_pkey primary key (client, key)
) strict, without rowid;

create index wallet_keys_created_at on wallet_keys (created_at);

create table wallet_refusals (
    client text not null,
    key text not null,
    request text not null,
    reason text not null
        constraint wallet_refusals_reason_is_known check (reason in ('insufficient_funds', 'balance_out_of_range')),
    wallet_id blob not null,
    balance integer not null,
    refused_at integer not null,
    constraint wallet_refusals_pkey primary key (client, key, request)
) strict, without rowid;

create index wallet_refusals_refused_at on wallet_refusals (refused_at);

create trigger movements_are_not_updated before update on movements
begin select raise(abort, 'rows of movements never change'); end;
create trigger movements_are_not_deleted before delete on movements
begin select raise(abort, 'rows of movements never change'); end;
create trigger entries_are_not_updated before update on entries
begin select raise(abort, 'rows of entries never change'); end;
create trigger entries_are_not_deleted before delete on entries
begin select raise(abort, 'rows of entries never change'); end;

create view wallets_readable as
select
    lower(
        substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-'
        || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)
    ) as id,
    currency,
    case currency
        when 'BTC' then printf('%d.%08d', balance / 100000000, balance % 100000000)
        else printf('%d.%04d', balance / 10000, balance % 10000)
    end as balance,
    case when user_id is not null then lower(
        substr(hex(user_id), 1, 8) || '-' || substr(hex(user_id), 9, 4) || '-' || substr(hex(user_id), 13, 4) || '-'
        || substr(hex(user_id), 17, 4) || '-' || substr(hex(user_id), 21)
    ) end as user_id,
    entries,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch') || printf('.%06dZ', created_at % 1000000) as created_at,
    strftime('%Y-%m-%dT%H:%M:%S', last_entry_at / 1000000, 'unixepoch') || printf('.%06dZ', last_entry_at % 1000000)
        as last_entry_at
from wallets
order by wallets.id desc;

create view entries_readable as
select
    lower(
        substr(hex(m.id), 1, 8) || '-' || substr(hex(m.id), 9, 4) || '-' || substr(hex(m.id), 13, 4) || '-'
        || substr(hex(m.id), 17, 4) || '-' || substr(hex(m.id), 21)
    ) as movement_id,
    m.kind,
    strftime('%Y-%m-%dT%H:%M:%S', m.created_at / 1000000, 'unixepoch') || printf('.%06dZ', m.created_at % 1000000) as created_at,
    e.line,
    case when e.wallet_id is not null then lower(
        substr(hex(e.wallet_id), 1, 8) || '-' || substr(hex(e.wallet_id), 9, 4) || '-' || substr(hex(e.wallet_id), 13, 4) || '-'
        || substr(hex(e.wallet_id), 17, 4) || '-' || substr(hex(e.wallet_id), 21)
    ) end as wallet_id,
    e.number,
    e.currency,
    case e.currency
        when 'BTC' then printf('%s%d.%08d', iif(e.amount < 0, '-', ''), abs(e.amount) / 100000000, abs(e.amount) % 100000000)
        else printf('%s%d.%04d', iif(e.amount < 0, '-', ''), abs(e.amount) / 10000, abs(e.amount) % 10000)
    end as amount,
    case
        when e.balance is null then null
        when e.currency = 'BTC' then printf('%d.%08d', e.balance / 100000000, e.balance % 100000000)
        else printf('%d.%04d', e.balance / 10000, e.balance % 10000)
    end as balance,
    m.client,
    m.key,
    m.written_by
from movements m
join entries e on e.movement_id = m.id
order by m.id desc, e.line;
