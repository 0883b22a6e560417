//! The statements of the order store on SQLite. Several rows are passed to a statement as one JSON array.

pub(super) const TOTALS: &str = "
    select orders, bitcoin_sats, reserved_sats, last_created_at, last_refused_at, user_orders, user_bitcoin_sats,
        limit_sats
    from order_totals";

pub(super) const ORDERS_BY_ID: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders where id in (select unhex(value) from json_each(?1))";

pub(super) const SCAN: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders
    where seq <= ?1 and seq > ?2
        and (?4 is null or currency = ?4)
        and (?5 is null or amount_e4 >= ?5)
        and (?6 is null or amount_e4 <= ?6)
        and (not ?7 or user_id is null)
    order by seq desc limit ?3";

/// Selects orders of one user. This is a separate statement, so that the planner can use the index of the users.
pub(super) const SCAN_USER: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders
    where user_id = ?7 and seq <= ?1 and seq > ?2
        and (?4 is null or currency = ?4)
        and (?5 is null or amount_e4 >= ?5)
        and (?6 is null or amount_e4 <= ?6)
    order by seq desc limit ?3";

pub(super) const SEQ_OF_USER: &str = "
    select seq from orders
    where user_id = ?1 and seq <= ?2 and seq > ?3
    order by seq desc limit 1 offset ?4";

/// Selects anonymous orders, newest first. At an order of a user, the walk skips to the newest older anonymous order.
/// That anonymous order directly precedes the oldest order with the same `anonymous_before`.
pub(super) const WALK_ANONYMOUS: &str = "
    with recursive walk (seq, steps) as (
        select
            case
                when o.user_id is null then o.seq
                else (select min(u.seq) - 1 from orders u where u.anonymous_before = o.anonymous_before)
            end,
            1
        from orders o where o.seq = ?1
        union all
        select
            case
                when o.user_id is null then o.seq
                else (select min(u.seq) - 1 from orders u where u.anonymous_before = o.anonymous_before)
            end,
            walk.steps + 1
        from walk join orders o on o.seq = walk.seq - 1
        where walk.steps < ?3 and walk.seq > ?2
    )
    select
        o.seq, o.id, o.created_at, o.currency, o.amount_e4, o.exchange_rate_e8, o.bitcoin_sats, o.price_as_of,
        o.simulated, o.quote_id, o.price_state, o.by_bitcoin_amount, o.client_reference, o.metadata, o.user_id,
        o.wallet_id, o.credit_wallet_id
    from walk join orders o on o.seq = walk.seq
    where walk.seq > ?2
    order by o.seq desc";

/// Counts the orders of users before the `?1`-th anonymous order. The count is computed from the columns of the newest
/// counted order.
pub(super) const USER_ORDERS_BEFORE_ANONYMOUS: &str = "
    select seq - anonymous_before from orders
    where anonymous_before < ?1
    order by anonymous_before desc, seq desc limit 1";

/// Selects orders with one reference. This is a separate statement, so that the planner can use the index of the references.
pub(super) const SCAN_REFERENCE: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders
    where client_reference = ?4 and seq <= ?1 and seq > ?2 and (not ?5 or user_id is null)
    order by seq desc limit ?3";

pub(super) const SCAN_REFERENCE_OF_USER: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders
    where user_id = ?5 and client_reference = ?4 and seq <= ?1 and seq > ?2
    order by seq desc limit ?3";

pub(super) const TOTALS_OF_USER: &str = "
    select
        count(*) as orders, coalesce(sum(bitcoin_sats), 0) as bitcoin_sats,
        (
            select coalesce(sum(q.bitcoin_sats), 0) from quotes q where q.state = 'held' and q.client = ?2
        ) as reserved_sats
    from orders where user_id = ?1";

pub(super) const ANONYMOUS_RESERVED: &str = "
    select coalesce(sum(bitcoin_sats), 0) from quotes where state = 'held' and user_id is null";

/// Ids sort by time, as sequence numbers do, so the unique index of the ids finds the last order before a time.
pub(super) const LAST_SEQ_BEFORE: &str = "select seq from orders where id < ?1 order by id desc limit 1";

pub(super) const ORDERS_BY_KEY: &str = "
    select
        k.client, k.key, o.seq, o.id, o.created_at, o.currency, o.amount_e4, o.exchange_rate_e8, o.bitcoin_sats,
        o.price_as_of, o.simulated, o.quote_id, o.price_state, o.by_bitcoin_amount, o.client_reference, o.metadata,
        o.user_id, o.wallet_id, o.credit_wallet_id
    from jsonb_each(?1) as requested
    join idempotency_keys k on k.client = requested.value ->> 0 and k.key = requested.value ->> 1
    join orders o on o.seq = k.order_seq";

pub(super) const REFUSALS_BY_KEY: &str = "
    select r.client, r.key, r.currency, r.amount_e4, r.remaining_sats, r.refused_at
    from jsonb_each(?1) as requested
    join refusals r on r.client = requested.value ->> 0 and r.key = requested.value ->> 1";

/// A db-proxy of an older release does not know the state `released`. The table therefore stores a released quote with the state
/// `expired` and the time of its release.
pub(super) const QUOTES_BY_ID: &str = "
    select
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, price_state, client, by_bitcoin_amount, user_id,
        case when released_at is null then state else 'released' end as state,
        (select o.id from orders o where o.quote_id = quotes.id) as order_id
    from quotes where id in (select unhex(value) from json_each(?1))";

pub(super) const RESERVED_BY_CLIENT: &str = "
    select client, sum(bitcoin_sats) as bitcoin_sats
    from quotes where state = 'held' and client in (select value from json_each(?1)) group by client";

/// `?1` is the time of the decision. `?2` is this time plus `MAX_CLOCK_SKEW`.
pub(super) const RELEASE_EXPIRED_QUOTES: &str = "
    update quotes set state = 'expired'
    where id in (
        select id from quotes where state = 'held' and expires_at <= ?1
        union all
        select id from quotes where state = 'held' and created_at > ?2
    )
    returning bitcoin_sats";

pub(super) const TAKE_QUOTES: &str =
    "update quotes set state = 'taken' where id in (select unhex(value) from json_each(?1))";

pub(super) const RELEASE_QUOTES: &str = "
    update quotes set state = 'expired', released_at = ?2 where id in (select unhex(value) from json_each(?1))";

pub(super) const INSERT_ORIGIN: &str = "insert into order_origin (id, simulated) values (1, ?1)";

pub(super) const INSERT_QUOTES: &str = "
    insert into quotes (
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, price_state, state, client, written_by, by_bitcoin_amount, user_id
    )
    select
        unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, value ->> 10, 'held', value ->> 11, value ->> 12, value ->> 13, unhex(value ->> 14)
    from jsonb_each(?1)";

pub(super) const INSERT_ORDERS: &str = "
    insert into orders (
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources, simulated,
        quote_id, price_state, written_by, by_bitcoin_amount, client_reference, metadata, user_id, anonymous_before,
        wallet_id, credit_wallet_id
    )
    select
        value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, unhex(value ->> 10), value ->> 11, value ->> 12, value ->> 13, value ->> 14,
        value ->> 15, unhex(value ->> 16), value ->> 17, unhex(value ->> 20), unhex(value ->> 21)
    from jsonb_each(?1)";

pub(super) const INSERT_KEYS: &str = "
    insert into idempotency_keys (client, key, order_seq, created_at)
    select value ->> 18, value ->> 19, value ->> 0, value ->> 2 from jsonb_each(?1)";

/// Without `where true`, SQLite would parse the `on` of `on conflict` as the start of a join condition.
pub(super) const INSERT_REFUSALS: &str = "
    insert into refusals (client, key, currency, amount_e4, remaining_sats, refused_at)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from jsonb_each(?1) where true
    on conflict (client, key, currency, amount_e4)
    do update set remaining_sats = excluded.remaining_sats, refused_at = excluded.refused_at";

pub(super) const UPDATE_TOTALS: &str = "
    update order_totals
    set
        orders = ?1, bitcoin_sats = ?2, reserved_sats = ?3, last_created_at = ?4, last_refused_at = ?5, user_orders = ?6,
        user_bitcoin_sats = ?7";

pub(super) const DELETE_KEYS: &str = "
    delete from idempotency_keys where (client, key) in (
        select client, key from idempotency_keys where created_at < ?1 order by created_at limit ?2
    )";

pub(super) const DELETE_REFUSALS: &str = "
    delete from refusals where (client, key, currency, amount_e4) in (
        select client, key, currency, amount_e4 from refusals where refused_at < ?1 order by refused_at limit ?2
    )";

pub(super) const DELETE_CLOSED_QUOTES: &str = "
    delete from quotes where id in (
        select id from quotes where created_at < ?1 and state <> 'held' order by created_at limit ?2
    )";

pub(super) const READ_LIMIT: &str = "select limit_sats from order_totals";

pub(super) const SET_LIMIT: &str = "update order_totals set limit_sats = ?1";

pub(super) const INSERT_LIMIT_CHANGE: &str = "
    insert into limit_changes (number, changed_at, changed_by, old_sats, new_sats)
    select coalesce(max(number), 0) + 1, ?1, ?2, ?3, ?4 from limit_changes";

pub(super) const LIMIT_CHANGES: &str = "
    select changed_at, changed_by, old_sats, new_sats from limit_changes order by number desc limit ?1";
