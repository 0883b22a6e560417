-- Wallets and their journal: double-entry bookkeeping. The tables are new, so the migration does not wait for orders. A db-proxy of
-- an earlier release does not read them.
--
-- A movement has two or more entries, which add up to zero in each currency. An entry belongs to a wallet, or to the outside world:
-- a deposit comes from there, and a withdrawal goes there. The outside world has no balance, so that it is not a row that every
-- operation must lock.

-- Room in each page, so that a new balance rewrites the row in place.
create table wallets (
    id uuid constraint wallets_pkey primary key,
    currency text collate "C" not null constraint wallets_currency_is_three_letters check (length(currency) = 3),
    user_id uuid,
    balance bigint not null default 0
        constraint wallets_balance_in_range check (balance >= 0 and balance < 1000000000000000000),
    entries bigint not null default 0 constraint wallets_entries_not_negative check (entries >= 0),
    created_at timestamptz not null,
    last_entry_at timestamptz not null,
    last_refused_at timestamptz not null
) with (fillfactor = 50);

-- The wallets of one user, and those without a user.
create index wallets_by_user on wallets (user_id, id);

comment on table wallets is 'Money on account. The balance follows from the entries and changes in their transaction. Rows are never deleted. For people: see the view wallets_readable.';
comment on column wallets.id is 'A UUID of version 7, so wallets are ordered by the time of their creation.';
comment on column wallets.currency is 'A fiat currency, or BTC.';
comment on column wallets.user_id is 'The user who owns the wallet; null if it was created without a key. No foreign key: users are never deleted.';
comment on column wallets.balance is 'In the smallest unit of the currency: a satoshi for BTC, and otherwise a ten-thousandth.';
comment on column wallets.entries is 'How many entries the wallet has; also the number of the newest.';
comment on column wallets.last_entry_at is 'The time of the newest entry, or of the creation. Times of entries grow with their numbers.';
comment on column wallets.last_refused_at is 'When the newest of the refusals in wallet_refusals was made, or the wallet was created; requests that are newer need not be compared with these.';

create table movements (
    id uuid constraint movements_pkey primary key,
    kind text collate "C" not null
        constraint movements_kind_is_known check (kind in ('deposit', 'withdrawal', 'transfer', 'order')),
    created_at timestamptz not null,
    client text collate "C" not null,
    key text collate "C" not null,
    written_by text not null
);

comment on table movements is 'Movements of money: one row for each deposit, withdrawal or transfer. Rows are inserted and never changed.';
comment on column movements.id is 'A UUID of version 7.';
comment on column movements.client is 'The client that requested the movement: user: and the id, or another name without a key of a user.';
comment on column movements.key is 'The idempotency key of the request.';
comment on column movements.written_by is 'The caller that sent the request to db-proxy.';

create table entries (
    movement_id uuid not null,
    line smallint not null constraint entries_line_is_positive check (line > 0),
    wallet_id uuid,
    number bigint constraint entries_number_is_positive check (number > 0),
    currency text collate "C" not null constraint entries_currency_is_three_letters check (length(currency) = 3),
    amount bigint not null constraint entries_amount_is_not_zero check (amount <> 0),
    balance bigint constraint entries_balance_in_range check (balance >= 0 and balance < 1000000000000000000),
    constraint entries_pkey primary key (movement_id, line),
    constraint entries_of_wallets_are_numbered
        check ((wallet_id is null) = (number is null) and (wallet_id is null) = (balance is null))
);

-- An entry can neither be lost nor stored twice without a gap or a conflict. Pages of one wallet are read from it.
create unique index entries_wallet_number_unique on entries (wallet_id, number) where wallet_id is not null;

comment on table entries is 'The journal: the lines of each movement. Rows are inserted and never changed or deleted. For people: see the view entries_readable.';
comment on column entries.line is 'The position in the movement: 1, 2, …';
comment on column entries.wallet_id is 'The wallet; null for the account of the outside world in this currency.';
comment on column entries.number is 'The position in the wallet: 1, 2, 3, … with no gap.';
comment on column entries.amount is 'In the smallest unit of the currency. Positive if the account receives money.';
comment on column entries.balance is 'The balance of the wallet after the entry.';

create table wallet_keys (
    client text collate "C" not null,
    key text collate "C" not null,
    movement_id uuid not null,
    created_at timestamptz not null,
    constraint wallet_keys_pkey primary key (client, key)
);

create index wallet_keys_created_at on wallet_keys (created_at);

comment on table wallet_keys is 'The idempotency key of each movement, written in its transaction. The movement is both the fingerprint of the request and its answer. Old rows are deleted.';

create table wallet_refusals (
    client text collate "C" not null,
    key text collate "C" not null,
    request text collate "C" not null,
    reason text collate "C" not null
        constraint wallet_refusals_reason_is_known check (reason in ('insufficient_funds', 'balance_out_of_range')),
    wallet_id uuid not null,
    balance bigint not null,
    refused_at timestamptz not null,
    constraint wallet_refusals_pkey primary key (client, key, request)
);

create index wallet_refusals_refused_at on wallet_refusals (refused_at);

comment on table wallet_refusals is 'Operations that were refused in the last minutes because of a balance. Identify a delayed duplicate of a request that was already refused.';
comment on column wallet_refusals.request is 'What was requested, as text.';
comment on column wallet_refusals.wallet_id is 'The wallet whose balance was the reason.';
comment on column wallet_refusals.balance is 'The balance of that wallet then.';

create function refuse_change_of_journal() returns trigger language plpgsql as
$$ begin raise exception 'rows of % never change', tg_table_name using errcode = 'restrict_violation'; end $$;

create trigger movements_never_change before update or delete or truncate on movements
    for each statement execute function refuse_change_of_journal();
create trigger entries_never_change before update or delete or truncate on entries
    for each statement execute function refuse_change_of_journal();

-- Runs once for each statement, and not for each row. All entries of a movement are inserted in one statement.
create function check_movements_are_balanced() returns trigger language plpgsql as
$$
declare
    movement uuid;
begin
    select movement_id into movement from inserted group by movement_id, currency having sum(amount) <> 0 limit 1;
    if found then
        raise exception 'the entries of movement % do not add up to zero', movement using errcode = 'check_violation';
    end if;
    return null;
end
$$;

create trigger entries_are_balanced after insert on entries referencing new table as inserted
    for each statement execute function check_movements_are_balanced();

create view wallets_readable as
select
    id,
    currency,
    case currency when 'BTC' then balance * 0.00000001 else balance * 0.0001 end as balance,
    user_id,
    entries,
    created_at,
    last_entry_at
from wallets
order by id desc;

comment on view wallets_readable is 'Wallets as a person reads them, newest first.';

create view entries_readable as
select
    m.id as movement_id,
    m.kind,
    m.created_at,
    e.line,
    e.wallet_id,
    e.number,
    e.currency,
    case e.currency when 'BTC' then e.amount * 0.00000001 else e.amount * 0.0001 end as amount,
    case e.currency when 'BTC' then e.balance * 0.00000001 else e.balance * 0.0001 end as balance,
    m.client,
    m.key,
    m.written_by
from movements m
join entries e on e.movement_id = m.id
order by m.id desc, e.line;

comment on view entries_readable is 'The journal as a person reads it, newest movement first.';
