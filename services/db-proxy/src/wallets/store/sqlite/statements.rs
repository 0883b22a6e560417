//! The statements of wallets on SQLite. Several rows are passed to a statement as one JSON array.

pub(super) const INSERT_CREATION_KEY: &str = "
    insert into wallet_creation_keys (client, key, wallet_id, created_at) values (?1, ?2, ?3, ?4)
    on conflict (client, key) do nothing";

pub(super) const WALLET_BY_KEY: &str = "
    select w.id, w.currency, w.user_id, w.balance, w.entries, w.created_at, w.last_entry_at, w.last_refused_at
    from wallet_creation_keys k
    join wallets w on w.id = k.wallet_id
    where k.client = ?1 and k.key = ?2";

pub(super) const INSERT_WALLET: &str = "
    insert into wallets (id, currency, user_id, created_at, last_entry_at, last_refused_at)
    values (?1, ?2, ?3, ?4, ?4, ?4)";

pub(super) const WALLETS_BY_ID: &str = "
    select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
    from wallets where id in (select unhex(value) from json_each(?1))";

pub(super) const LIST_WALLETS: &str = "
    select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
    from wallets where id < ?1 order by id desc limit ?2";

/// A separate statement for each kind of owner, so that the planner can use the index `wallets_by_user`.
pub(super) const LIST_ANONYMOUS_WALLETS: &str = "
    select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
    from wallets where user_id is null and id < ?1 order by id desc limit ?2";

pub(super) const LIST_WALLETS_OF_USER: &str = "
    select id, currency, user_id, balance, entries, created_at, last_entry_at, last_refused_at
    from wallets where user_id = ?3 and id < ?1 order by id desc limit ?2";

pub(super) const LIST_OPERATIONS: &str = "
    select m.id, m.kind, m.created_at, e.wallet_id, e.number, e.currency, e.amount, e.balance
    from entries e
    join movements m on m.id = e.movement_id
    where e.wallet_id = ?1 and e.number < ?2
    order by e.number desc limit ?3";

pub(super) const MOVEMENTS_BY_KEY: &str = "
    select k.client, k.key, m.id, m.kind, m.created_at, e.wallet_id, e.number, e.currency, e.amount, e.balance
    from jsonb_each(?1) requested
    join wallet_keys k on k.client = requested.value ->> 0 and k.key = requested.value ->> 1
    join movements m on m.id = k.movement_id
    join entries e on e.movement_id = m.id
    order by m.id, e.line";

pub(super) const REFUSALS_BY_KEY: &str = "
    select r.client, r.key, r.request, r.reason, r.wallet_id, w.currency, r.balance, r.refused_at
    from jsonb_each(?1) requested
    join wallet_refusals r on r.client = requested.value ->> 0 and r.key = requested.value ->> 1
    join wallets w on w.id = r.wallet_id";

pub(super) const INSERT_MOVEMENTS: &str = "
    insert into movements (id, kind, created_at, client, key, written_by)
    select unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from jsonb_each(?1)";

pub(super) const INSERT_KEYS: &str = "
    insert into wallet_keys (client, key, movement_id, created_at)
    select value ->> 3, value ->> 4, unhex(value ->> 0), value ->> 2 from jsonb_each(?1) where value ->> 6";

pub(super) const INSERT_ENTRIES: &str = "
    insert into entries (movement_id, line, wallet_id, number, currency, amount, balance)
    select
        unhex(value ->> 0), value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4, value ->> 5, value ->> 6
    from jsonb_each(?1)";

/// Without `where true`, SQLite would parse the `on` of `on conflict` as the start of a join condition.
pub(super) const INSERT_REFUSALS: &str = "
    insert into wallet_refusals (client, key, request, reason, wallet_id, balance, refused_at)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5, value ->> 6
    from jsonb_each(?1) where true
    on conflict (client, key, request)
    do update set
        reason = excluded.reason, wallet_id = excluded.wallet_id, balance = excluded.balance,
        refused_at = excluded.refused_at";

pub(super) const UPDATE_WALLETS: &str = "
    update wallets set
        balance = incoming.value ->> 1, entries = incoming.value ->> 2, last_entry_at = incoming.value ->> 3,
        last_refused_at = incoming.value ->> 4
    from jsonb_each(?1) incoming
    where wallets.id = unhex(incoming.value ->> 0)";

pub(super) const DELETE_KEYS: &str = "
    delete from wallet_keys where (client, key) in (
        select client, key from wallet_keys where created_at < ?1 order by created_at limit ?2
    )";

pub(super) const DELETE_CREATION_KEYS: &str = "
    delete from wallet_creation_keys where (client, key) in (
        select client, key from wallet_creation_keys where created_at < ?1 order by created_at limit ?2
    )";

pub(super) const DELETE_REFUSALS: &str = "
    delete from wallet_refusals where (client, key, request) in (
        select client, key, request from wallet_refusals where refused_at < ?1 order by refused_at limit ?2
    )";

pub(super) const NEWEST_KEY_TIME: &str = "
    select max(created_at) from (
        select max(created_at) as created_at from wallet_keys
        union all
        select max(created_at) from wallet_creation_keys
    )";

pub(super) const WALLET_BALANCES: &str = "
    select
        w.id, w.balance, w.entries,
        (select e.number from entries e where e.wallet_id = w.id order by e.number desc limit 1) as last_number,
        (select e.balance from entries e where e.wallet_id = w.id order by e.number desc limit 1) as last_balance
    from wallets w where w.id > ?1 order by w.id limit ?2";

pub(super) const JOURNAL_ENTRIES: &str = "
    select
        e.wallet_id, e.number, e.movement_id, e.amount, e.balance,
        coalesce(w.currency = e.currency, 0) as is_of_wallet,
        m.id is not null as has_movement
    from entries e
    left join wallets w on w.id = e.wallet_id
    left join movements m on m.id = e.movement_id
    where e.wallet_id is not null and (e.wallet_id, e.number) >= (?1, ?2)
    order by e.wallet_id, e.number limit ?3";

pub(super) const MOVEMENT_LINES: &str = "
    select
        m.id, m.kind, e.currency, e.amount, e.wallet_id,
        o.id as order_id, o.wallet_id as paying_wallet_id, o.credit_wallet_id, o.currency as order_currency, o.amount_e4,
        o.bitcoin_sats
    from (select id, kind from movements where id > ?1 and id <= ?2 order by id limit ?3) m
    left join entries e on e.movement_id = m.id
    left join orders o on m.kind = 'order' and o.id = m.id
    order by m.id, e.line";

pub(super) const NTH_ORDER_AFTER: &str = "select id from orders where id > ?1 order by id limit 1 offset ?2";

pub(super) const PAID_ORDERS: &str = "
    select o.id, m.id is not null as has_movement
    from orders o
    left join movements m on m.id = o.id and m.kind = 'order'
    where o.id > ?1 and o.id <= ?2 and o.wallet_id is not null
    order by o.id";
