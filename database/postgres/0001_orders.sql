-- Orders, the keys they were placed under, and their totals.
--
-- db-proxy is the only writer. It decides orders in groups, each group in one transaction that first locks the one row of
-- order_totals; so groups of several db-proxy processes follow one another, and what is numbered in them has no gap.

create table orders (
    seq bigint constraint orders_pkey primary key,
    id uuid not null constraint orders_id_key unique,
    created_at timestamptz not null,
    currency text not null constraint orders_currency_is_three_letters check (length(currency) = 3),
    amount_e4 bigint not null constraint orders_amount_in_range check (amount_e4 > 0 and amount_e4 < 10000000000000),
    exchange_rate_e8 bigint not null constraint orders_exchange_rate_is_positive check (exchange_rate_e8 > 0),
    bitcoin_sats bigint not null constraint orders_bitcoin_is_positive check (bitcoin_sats > 0),
    price_as_of timestamptz not null,
    price_sources text not null,
    simulated boolean not null
);

comment on table orders is 'Accepted orders to buy bitcoin. Rows are added and never changed. For people: see the view orders_readable.';
comment on column orders.seq is 'Number in the order of commit: 1, 2, 3, … with no gap. Pages are cut by it.';
comment on column orders.id is 'What users know the order by: UUID version 7. Sorts as seq does.';
comment on column orders.created_at is 'When it was accepted. Strictly grows with seq.';
comment on column orders.currency is 'What is spent: a code of three letters.';
comment on column orders.amount_e4 is 'How much is spent, in ten-thousandths of the currency''s unit: 690000 is 69.00.';
comment on column orders.exchange_rate_e8 is 'Price of one bitcoin, in hundred-millionths of the currency''s unit.';
comment on column orders.bitcoin_sats is 'What is bought: amount / exchange rate, rounded up to the satoshi (a hundred-millionth of a bitcoin).';
comment on column orders.price_as_of is 'When the price was observed at the exchanges.';
comment on column orders.price_sources is 'The exchanges that the price was agreed from, comma-separated.';
comment on column orders.simulated is 'Whether the price came from a simulated exchange.';

create table idempotency_keys (
    -- Compared byte by byte: an order of words means nothing here, and costs time.
    client text collate "C" not null,
    key text collate "C" not null,
    order_seq bigint not null,
    created_at timestamptz not null,
    constraint idempotency_keys_pkey primary key (client, key)
);

comment on table idempotency_keys is 'Under which key an order was placed; written in the transaction of the order. The order is both the fingerprint of the request (currency, amount) and its answer.';
comment on column idempotency_keys.client is 'Whose key it is; anonymous clients are one.';
comment on column idempotency_keys.order_seq is 'The order. No foreign key: both rows are written by one statement, orders are never deleted, and the check would be paid for every order.';
comment on column idempotency_keys.created_at is 'Keys older than the configured time are removed.';

create table order_totals (
    singleton boolean not null default true
        constraint order_totals_pkey primary key
        constraint order_totals_has_one_row check (singleton),
    orders bigint not null constraint order_totals_orders_not_negative check (orders >= 0),
    bitcoin_sats bigint not null constraint order_totals_bitcoin_not_negative check (bitcoin_sats >= 0),
    last_created_at timestamptz not null
) with (fillfactor = 10);

comment on table order_totals is 'One row: what all orders come to. Every transaction that places orders locks it first. The low fill factor leaves room to update it in place.';
comment on column order_totals.orders is 'How many orders there are; also the seq of the newest.';
comment on column order_totals.bitcoin_sats is 'The bitcoin of all orders, in satoshi: what the limit is compared with.';
comment on column order_totals.last_created_at is 'created_at of the newest order.';

insert into order_totals (orders, bitcoin_sats, last_created_at) values (0, 0, 'epoch');

create view orders_readable as
select
    seq,
    id,
    created_at,
    currency,
    round(amount_e4 / 10000.0, 4) as amount,
    round(exchange_rate_e8 / 100000000.0, 8) as exchange_rate,
    round(bitcoin_sats / 100000000.0, 8) as bitcoin_amount,
    price_as_of,
    price_sources,
    simulated
from orders
order by seq desc;

comment on view orders_readable is 'Orders as a person reads them, newest first.';
