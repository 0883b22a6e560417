//! The statements of the order store on PostgreSQL.

pub(super) const TOTALS: &str = "
    select
        orders, bitcoin_sats, reserved_sats, last_created_at, last_refused_at, user_orders, user_bitcoin_sats,
        limit_sats, clock_timestamp() as database_time
    from order_totals";

/// Also reads the settings on which the durability of the commit depends, and the clock, so that a batch needs no other
/// statement for them.
///
/// The outer query reads the clock, after the row was locked. If the query with `for update` read the clock, it could do so
/// before it waits for the lock.
pub(super) const LOCK_TOTALS: &str = "
    with locked as materialized (
        select orders, bitcoin_sats, reserved_sats, last_created_at, last_refused_at, user_orders, user_bitcoin_sats,
            limit_sats
        from order_totals for update
    )
    select
        orders, bitcoin_sats, reserved_sats, last_created_at, last_refused_at, user_orders, user_bitcoin_sats,
        limit_sats, clock_timestamp() as database_time,
        current_setting('synchronous_commit') as synchronous_commit,
        current_setting('synchronous_standby_names') as standby_names
    from locked";

pub(super) const ORDERS_BY_ID: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders where id = any($1)";

pub(super) const SCAN: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders
    where seq <= $1 and seq > $2
        and ($4::text is null or currency = $4)
        and ($5::bigint is null or amount_e4 >= $5)
        and ($6::bigint is null or amount_e4 <= $6)
        and (not $7 or user_id is null)
    order by seq desc limit $3";

/// Selects orders of one user. This is a separate statement, so that the planner can use the index of the users.
pub(super) const SCAN_USER: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders
    where user_id = $7 and seq <= $1 and seq > $2
        and ($4::text is null or currency = $4)
        and ($5::bigint is null or amount_e4 >= $5)
        and ($6::bigint is null or amount_e4 <= $6)
    order by seq desc limit $3";

pub(super) const SEQ_OF_USER: &str = "
    select seq from orders
    where user_id = $1 and seq <= $2 and seq > $3
    order by seq desc limit 1 offset $4";

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
        from orders o where o.seq = $1
        union all
        select
            case
                when o.user_id is null then o.seq
                else (select min(u.seq) - 1 from orders u where u.anonymous_before = o.anonymous_before)
            end,
            walk.steps + 1
        from walk join orders o on o.seq = walk.seq - 1
        where walk.steps < $3 and walk.seq > $2
    )
    select
        o.seq, o.id, o.created_at, o.currency, o.amount_e4, o.exchange_rate_e8, o.bitcoin_sats, o.price_as_of,
        o.simulated, o.quote_id, o.price_state, o.by_bitcoin_amount, o.client_reference, o.metadata, o.user_id,
        o.wallet_id, o.credit_wallet_id
    from walk join orders o on o.seq = walk.seq
    where walk.seq > $2
    order by o.seq desc";

/// Counts the orders of users before the `$1`-th anonymous order. The count is computed from the columns of the newest
/// counted order.
pub(super) const USER_ORDERS_BEFORE_ANONYMOUS: &str = "
    select seq - anonymous_before from orders
    where anonymous_before < $1
    order by anonymous_before desc, seq desc limit 1";

/// Selects orders with one reference. This is a separate statement, so that the planner can use the index of the references.
pub(super) const SCAN_REFERENCE: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders
    where client_reference = $4 and seq <= $1 and seq > $2 and (not $5 or user_id is null)
    order by seq desc limit $3";

pub(super) const SCAN_REFERENCE_OF_USER: &str = "
    select
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, simulated, quote_id,
        price_state, by_bitcoin_amount, client_reference, metadata, user_id, wallet_id, credit_wallet_id
    from orders
    where user_id = $5 and client_reference = $4 and seq <= $1 and seq > $2
    order by seq desc limit $3";

pub(super) const TOTALS_OF_USER: &str = "
    select
        count(*) as orders, coalesce(sum(bitcoin_sats), 0)::bigint as bitcoin_sats,
        (
            select coalesce(sum(q.bitcoin_sats), 0)::bigint from quotes q where q.state = 'held' and q.client = $2
        ) as reserved_sats
    from orders where user_id = $1";

pub(super) const ANONYMOUS_RESERVED: &str = "
    select coalesce(sum(bitcoin_sats), 0)::bigint from quotes where state = 'held' and user_id is null";

/// Ids sort by time, as sequence numbers do, so the unique index of the ids finds the last order before a time.
pub(super) const LAST_SEQ_BEFORE: &str = "select seq from orders where id < $1 order by id desc limit 1";

pub(super) const ORDERS_BY_KEY: &str = "
    select
        k.client, k.key, o.seq, o.id, o.created_at, o.currency, o.amount_e4, o.exchange_rate_e8, o.bitcoin_sats,
        o.price_as_of, o.simulated, o.quote_id, o.price_state, o.by_bitcoin_amount, o.client_reference, o.metadata,
        o.user_id, o.wallet_id, o.credit_wallet_id
    from unnest($1::text[], $2::text[]) as requested (client, key)
    join idempotency_keys k on k.client = requested.client and k.key = requested.key
    join orders o on o.seq = k.order_seq";

pub(super) const REFUSALS_BY_KEY: &str = "
    select r.client, r.key, r.currency, r.amount_e4, r.remaining_sats, r.refused_at
    from unnest($1::text[], $2::text[]) as requested (client, key)
    join refusals r on r.client = requested.client and r.key = requested.key";

/// A db-proxy of an older release does not know the state `released`. The table therefore stores a released quote with the state
/// `expired` and the time of its release.
pub(super) const QUOTES_BY_ID: &str = "
    select
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, price_state, client, by_bitcoin_amount, user_id,
        case when released_at is null then state else 'released' end as state,
        (select o.id from orders o where o.quote_id = quotes.id) as order_id
    from quotes where id = any($1)";

pub(super) const RESERVED_BY_CLIENT: &str = "
    select client, sum(bitcoin_sats)::bigint as bitcoin_sats
    from quotes where state = 'held' and client = any($1) group by client";

/// `$1` is the time of the decision. `$2` is this time plus `MAX_CLOCK_SKEW`.
pub(super) const RELEASE_EXPIRED_QUOTES: &str = "
    with
        due as (
            update quotes set state = 'expired'
            where id in (
                select id from quotes where state = 'held' and expires_at <= $1
                union all
                select id from quotes where state = 'held' and created_at > $2
            )
            returning bitcoin_sats
        )
    select coalesce(sum(bitcoin_sats), 0)::bigint from due";

pub(super) const TAKE_QUOTES: &str = "update quotes set state = 'taken' where id = any($1)";

pub(super) const RELEASE_QUOTES: &str = "update quotes set state = 'expired', released_at = $2 where id = any($1)";

pub(super) const INSERT_ORIGIN: &str = "insert into order_origin (id, simulated) values (1, $1)";

pub(super) const INSERT_QUOTES: &str = "
    insert into quotes (
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, price_state, state, client, written_by, by_bitcoin_amount, user_id
    )
    select
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, price_state, 'held', client, written_by, by_bitcoin_amount, user_id
    from unnest(
        $1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::timestamptz[], $9::text[], $10::boolean[], $11::text[], $12::text[],
        $13::text[], $14::boolean[], $15::uuid[]
    ) as incoming (
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, price_state, client, written_by, by_bitcoin_amount, user_id
    )";

pub(super) const INSERT_REFUSALS: &str = "
    insert into refusals (client, key, currency, amount_e4, remaining_sats, refused_at)
    select client, key, currency, amount_e4, remaining_sats, refused_at
    from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[])
        as incoming (client, key, currency, amount_e4, remaining_sats, refused_at)
    on conflict (client, key, currency, amount_e4)
    do update set remaining_sats = excluded.remaining_sats, refused_at = excluded.refused_at";

/// Inserts orders and keys and updates the totals in one statement, which takes one round trip.
pub(super) const INSERT_ORDERS: &str = "
    with
        new_orders as (
            insert into orders (
                seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
                simulated, quote_id, price_state, written_by, by_bitcoin_amount, client_reference, metadata,
                user_id, anonymous_before, wallet_id, credit_wallet_id
            )
            select
                seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
                simulated, quote_id, price_state, written_by, by_bitcoin_amount, client_reference, metadata,
                user_id, anonymous_before, wallet_id, credit_wallet_id
            from unnest(
                $1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                $8::timestamptz[], $9::text[], $10::boolean[], $11::uuid[], $12::text[], $20::text[],
                $21::boolean[], $22::text[], $23::text[], $26::uuid[], $27::bigint[], $28::uuid[], $29::uuid[]
            ) as incoming (
                seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
                simulated, quote_id, price_state, written_by, by_bitcoin_amount, client_reference, metadata,
                user_id, anonymous_before, wallet_id, credit_wallet_id
            )
        ),
        new_keys as (
            insert into idempotency_keys (client, key, order_seq, created_at)
            select client, key, order_seq, created_at
            from unnest($13::text[], $14::text[], $1::bigint[], $3::timestamptz[])
                as incoming (client, key, order_seq, created_at)
        )
    update order_totals
    set
        orders = $15, bitcoin_sats = $16, reserved_sats = $17, last_created_at = $18, last_refused_at = $19,
        user_orders = $24, user_bitcoin_sats = $25";

pub(super) const DELETE_KEYS: &str = "
    delete from idempotency_keys where ctid = any(array(
        select ctid from idempotency_keys where created_at < $1 order by created_at limit $2
    ))";

pub(super) const DELETE_REFUSALS: &str = "
    delete from refusals where ctid = any(array(
        select ctid from refusals where refused_at < $1 order by refused_at limit $2
    ))";

pub(super) const DELETE_CLOSED_QUOTES: &str = "
    delete from quotes where id = any(array(
        select id from quotes where created_at < $1 and state <> 'held' order by created_at limit $2
    ))";

pub(super) const LOCK_LIMIT: &str = "select limit_sats from order_totals for update";

pub(super) const SET_LIMIT: &str = "update order_totals set limit_sats = $1";

/// Runs in the transaction of [`LOCK_LIMIT`], so that two changes have different numbers.
pub(super) const INSERT_LIMIT_CHANGE: &str = "
    insert into limit_changes (number, changed_at, changed_by, old_sats, new_sats)
    select coalesce(max(number), 0) + 1, $1, $2, $3, $4 from limit_changes";

pub(super) const LIMIT_CHANGES: &str = "
    select changed_at, changed_by, old_sats, new_sats from limit_changes order by number desc limit $1";
