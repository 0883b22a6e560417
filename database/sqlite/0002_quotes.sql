-- Quotes: a price that is held for a while, with its share of the limit. The columns are explained on PostgreSQL.

create table quotes (
    id blob constraint quotes_pkey primary key not null,
    created_at integer not null,
    expires_at integer not null,
    currency text not null constraint quotes_currency_is_three_letters check (length(currency) = 3),
    amount_e4 integer not null constraint quotes_amount_in_range check (amount_e4 > 0 and amount_e4 < 10000000000000),
    exchange_rate_e8 integer not null constraint quotes_exchange_rate_is_positive check (exchange_rate_e8 > 0),
    bitcoin_sats integer not null constraint quotes_bitcoin_is_positive check (bitcoin_sats > 0),
    price_as_of integer not null,
    price_sources text not null,
    simulated integer not null constraint quotes_simulated_is_boolean check (simulated in (0, 1)),
    state text not null constraint quotes_state_is_known check (state in ('held', 'taken', 'expired'))
) strict;

create index quotes_held_until on quotes (expires_at) where state = 'held';
create index quotes_created_at on quotes (created_at);

alter table orders add column quote_id blob;
create unique index orders_quote_id_key on orders (quote_id) where quote_id is not null;

alter table order_totals
    add column reserved_sats integer not null default 0
        constraint order_totals_reserved_not_negative check (reserved_sats >= 0);

create index idempotency_keys_created_at on idempotency_keys (created_at);
