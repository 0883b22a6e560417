-- Quotes: a price that is held for a while, with its share of the limit.

create table quotes (
    id uuid constraint quotes_pkey primary key,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    currency text not null constraint quotes_currency_is_three_letters check (length(currency) = 3),
    amount_e4 bigint not null constraint quotes_amount_in_range check (amount_e4 > 0 and amount_e4 < 10000000000000),
    exchange_rate_e8 bigint not null constraint quotes_exchange_rate_is_positive check (exchange_rate_e8 > 0),
    bitcoin_sats bigint not null constraint quotes_bitcoin_is_positive check (bitcoin_sats > 0),
    price_as_of timestamptz not null,
    price_sources text not null,
    simulated boolean not null,
    state text not null constraint quotes_state_is_known check (state in ('held', 'taken', 'expired'))
);

comment on table quotes is 'Prices that are or were held for a while. A held one counts against the limit; one order can take it, or it expires. Units are those of orders.';
comment on column quotes.expires_at is 'From when on it cannot be taken.';
comment on column quotes.state is 'held: counts against the limit. taken: an order took it (orders.quote_id). expired: nobody took it in time.';

-- What is due is found without looking at what is settled.
create index quotes_held_until on quotes (expires_at) where state = 'held';
create index quotes_created_at on quotes (created_at);

alter table orders add column quote_id uuid;
comment on column orders.quote_id is 'The quote that the order took; null for the market price.';
create unique index orders_quote_id_key on orders (quote_id) where quote_id is not null;

alter table order_totals
    add column reserved_sats bigint not null default 0
        constraint order_totals_reserved_not_negative check (reserved_sats >= 0);
comment on column order_totals.reserved_sats is 'The bitcoin of all held quotes, in satoshi; counts against the limit.';

-- Keys are removed by age, in small steps.
create index idempotency_keys_created_at on idempotency_keys (created_at);
