-- Orders, the keys they were placed under, and their totals: the same tables as on PostgreSQL, where each column is
-- explained. Times are whole microseconds since 1970 in UTC, ids are the 16 bytes of a UUID.

create table orders (
    seq integer constraint orders_pkey primary key,
    id blob not null constraint orders_id_key unique,
    created_at integer not null,
    currency text not null constraint orders_currency_is_three_letters check (length(currency) = 3),
    amount_e4 integer not null constraint orders_amount_in_range check (amount_e4 > 0 and amount_e4 < 10000000000000),
    exchange_rate_e8 integer not null constraint orders_exchange_rate_is_positive check (exchange_rate_e8 > 0),
    bitcoin_sats integer not null constraint orders_bitcoin_is_positive check (bitcoin_sats > 0),
    price_as_of integer not null,
    price_sources text not null,
    simulated integer not null constraint orders_simulated_is_boolean check (simulated in (0, 1))
) strict;

create table idempotency_keys (
    client text not null,
    key text not null,
    order_seq integer not null,
    created_at integer not null,
    constraint idempotency_keys_pkey primary key (client, key)
) strict, without rowid;

create table order_totals (
    singleton integer not null default 1
        constraint order_totals_pkey primary key
        constraint order_totals_has_one_row check (singleton = 1),
    orders integer not null constraint order_totals_orders_not_negative check (orders >= 0),
    bitcoin_sats integer not null constraint order_totals_bitcoin_not_negative check (bitcoin_sats >= 0),
    last_created_at integer not null
) strict;

insert into order_totals (orders, bitcoin_sats, last_created_at) values (0, 0, 0);

create view orders_readable as
select
    seq,
    lower(
        substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-'
        || substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)
    ) as id,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000000, 'unixepoch') || printf('.%06dZ', created_at % 1000000) as created_at,
    currency,
    printf('%d.%04d', amount_e4 / 10000, amount_e4 % 10000) as amount,
    printf('%d.%08d', exchange_rate_e8 / 100000000, exchange_rate_e8 % 100000000) as exchange_rate,
    printf('%d.%08d', bitcoin_sats / 100000000, bitcoin_sats % 100000000) as bitcoin_amount,
    strftime('%Y-%m-%dT%H:%M:%S', price_as_of / 1000000, 'unixepoch') || printf('.%06dZ', price_as_of % 1000000) as price_as_of,
    price_sources,
    simulated
from orders
order by seq desc;
