//! The statements of wallets on PostgreSQL.

/// Inserts nothing if the key is stored. Waits for another transaction that inserts the key at the same time. Returns
/// the number of inserted wallets.
pub(super) const INSERT_WALLET: &str = "
    with
        new_key as (
            insert into wallet_creation_keys (client, key, wallet_id, created_at)
            values ($5, $6, $1, $4)
            on conflict (client, key) do nothing
            returning wallet_id
        ),
        new_wallet as (
            insert into wallets (id, currency, user_id, created_at, last_entry_at, last_refused_at)
            select wallet_id, $2, $3, $4, $4, $4 from new_key
        )
    select count(*) from new_key";

pub(super) const WALLET_BY_KEY: &str = "
    select w.id, w.currency, w.user_id, w.balance, w.entries, w.created_at, w.last_entry_at, w.last_refused_at
    from wallet_creation_keys k
    join wallets w on w.id = k.wallet_id
    where k.client = $1 and k.key = $2";

pub(super) const WALLETS_BY_ID: &str = "
    select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
    from wallets where id = any($1)";

pub(super) const LIST_WALLETS: &str = "
    select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
    from wallets where id < $1 order by id desc limit $2";

/// A separate statement for each kind of owner, so that the planner can use the index `wallets_by_user`.
pub(super) const LIST_ANONYMOUS_WALLETS: &str = "
    select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
    from wallets where user_id is null and id < $1 order by id desc limit $2";

pub(super) const LIST_WALLETS_OF_USER: &str = "
    select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
    from wallets where user_id = $3 and id < $1 order by id desc limit $2";

pub(super) const LIST_OPERATIONS: &str = "
    select m.id, m.kind, m.created_at, e.wallet_id, e.number, e.currency, e.amount, e.balance
    from entries e
    join movements m on m.id = e.movement_id
    where e.wallet_id = $1 and e.number < $2
    order by e.number desc limit $3";

/// Locks the rows in the order of the ids, so that concurrent transactions do not deadlock. Returns the rows as they are after the
/// wait for the locks.
///
/// Also reads the settings on which the durability of the commit depends, so that a batch needs no other statement for them.
pub(super) const LOCK_WALLETS: &str = "
    with locked as materialized (
        select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
        from wallets where id = any($1) order by id for update
    )
    select
        id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at,
        current_setting('synchronous_commit') as synchronous_commit,
        current_setting('synchronous_standby_names') as standby_names,
        clock_timestamp() as locked_at
    from locked";

pub(super) const MOVEMENTS_BY_KEY: &str = "
    select k.client, k.key, m.id, m.kind, m.created_at, e.wallet_id, e.number, e.currency, e.amount, e.balance
    from unnest($1::text[], $2::text[]) as requested (client, key)
    join wallet_keys k on k.client = requested.client and k.key = requested.key
    join movements m on m.id = k.movement_id
    join entries e on e.movement_id = m.id
    order by m.id, e.line";

pub(super) const REFUSALS_BY_KEY: &str = "
    select r.client, r.key, r.request, r.reason, r.wallet_id, w.currency, r.balance, r.refused_at
    from unnest($1::text[], $2::text[]) as requested (client, key)
    join wallet_refusals r on r.client = requested.client and r.key = requested.key
    join wallets w on w.id = r.wallet_id";

/// Writes a batch in one statement, which takes one round trip.
///
/// If another transaction inserts one of the keys at the same time, the statement waits for that transaction. If the
/// other transaction commits, the returned number of inserted keys is lower than expected. All transactions insert the
/// keys in the same order, so that they do not deadlock. The caller has locked the wallets.
pub(super) const WRITE_CHANGES: &str = "
    with
        new_keys as (
            insert into wallet_keys (client, key, movement_id, created_at)
            select client, key, movement_id, created_at
            from unnest($1::text[], $2::text[], $3::uuid[], $4::timestamptz[], $6::boolean[])
                as incoming (client, key, movement_id, created_at, has_key)
            where has_key
            order by client collate \"C\", key collate \"C\"
            on conflict (client, key) do nothing
            returning movement_id
        ),
        new_movements as (
            insert into movements (id, kind, created_at, client, key, written_by)
            select id, kind, created_at, client, key, written_by
            from unnest($3::uuid[], $5::text[], $4::timestamptz[], $1::text[], $2::text[], $7::text[])
                as incoming (id, kind, created_at, client, key, written_by)
        ),
        new_entries as (
            insert into entries (movement_id, line, wallet_id, number, currency, amount, balance)
            select movement_id, line, wallet_id, number, currency, amount, balance
            from unnest(
                $8::uuid[], $9::smallint[], $10::uuid[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[]
            ) as incoming (movement_id, line, wallet_id, number, currency, amount, balance)
        ),
        new_refusals as (
            insert into wallet_refusals (client, key, request, reason, wallet_id, balance, refused_at)
            select client, key, request, reason, wallet_id, balance, refused_at
            from unnest(
                $15::text[], $16::text[], $17::text[], $18::text[], $19::uuid[], $20::bigint[], $21::timestamptz[]
            ) as incoming (client, key, request, reason, wallet_id, balance, refused_at)
            on conflict (client, key, request)
            do update set
                reason = excluded.reason, wallet_id = excluded.wallet_id, balance = excluded.balance,
                refused_at = excluded.refused_at
        ),
        changed_wallets as (
            update wallets set
                balance = incoming.balance, entries = incoming.entries, last_entry_at = incoming.last_entry_at,
                last_refused_at = incoming.last_refused_at
            from unnest($22::uuid[], $23::bigint[], $24::bigint[], $25::timestamptz[], $26::timestamptz[])
                as incoming (id, balance, entries, last_entry_at, last_refused_at)
            where wallets.id = incoming.id
        )
    select count(*) from new_keys";

pub(super) const DELETE_KEYS: &str = "
    delete from wallet_keys where ctid = any(array(
        select ctid from wallet_keys where created_at < $1 order by created_at limit $2
    ))";

pub(super) const DELETE_CREATION_KEYS: &str = "
    delete from wallet_creation_keys where ctid = any(array(
        select ctid from wallet_creation_keys where created_at < $1 order by created_at limit $2
    ))";

pub(super) const DELETE_REFUSALS: &str = "
    delete from wallet_refusals where ctid = any(array(
        select ctid from wallet_refusals where refused_at < $1 order by refused_at limit $2
    ))";

pub(super) const WALLET_BALANCES: &str = "
    select
        w.id, w.balance, w.entries,
        (select e.number from entries e where e.wallet_id = w.id order by e.number desc limit 1) as last_number,
        (select e.balance from entries e where e.wallet_id = w.id order by e.number desc limit 1) as last_balance
    from wallets w where w.id > $1 order by w.id limit $2";

pub(super) const JOURNAL_ENTRIES: &str = "
    select
        e.wallet_id, e.number, e.movement_id, e.amount, e.balance,
        coalesce(w.currency = e.currency, false) as is_of_wallet,
        m.id is not null as has_movement
    from entries e
    left join wallets w on w.id = e.wallet_id
    left join movements m on m.id = e.movement_id
    where e.wallet_id is not null and (e.wallet_id, e.number) >= ($1, $2)
    order by e.wallet_id, e.number limit $3";

pub(super) const MOVEMENT_LINES: &str = "
    select
        m.id, m.kind, e.currency, e.amount, e.wallet_id,
        o.id as order_id, o.wallet_id as paying_wallet_id, o.credit_wallet_id, o.currency as order_currency, o.amount_e4,
        o.bitcoin_sats
    from (select id, kind from movements where id > $1 and id <= $2 order by id limit $3) m
    left join entries e on e.movement_id = m.id
    left join orders o on m.kind = 'order' and o.id = m.id
    order by m.id, e.line";

pub(super) const NTH_ORDER_AFTER: &str = "select id from orders where id > $1 order by id limit 1 offset $2";

pub(super) const PAID_ORDERS: &str = "
    select o.id, m.id is not null as has_movement
    from orders o
    left join movements m on m.id = o.id and m.kind = 'order'
    where o.id > $1 and o.id <= $2 and o.wallet_id is not null
    order by o.id";
