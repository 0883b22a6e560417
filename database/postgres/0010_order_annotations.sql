-- What a client notes on its order (a reference, metadata), and whether it named the money or the bitcoin. Earlier orders have no
-- notes and named the money; an older db-proxy writes the same.

alter table orders
    add column by_bitcoin_amount boolean not null default false,
    add column client_reference text collate "C",
    add column metadata text;
comment on column orders.by_bitcoin_amount is 'Whether the client named the bitcoin. Then amount = bitcoin * exchange rate, rounded up to the ten-thousandth, and not the other way round.';
comment on column orders.client_reference is 'The reference that the client gave the order; not unique.';
comment on column orders.metadata is 'Notes of the client: a JSON object whose values are strings.';

alter table quotes add column by_bitcoin_amount boolean not null default false;
comment on column quotes.by_bitcoin_amount is 'As with orders.';

comment on column refusals.amount_e4 is 'The amount in ten-thousandths; if the client named the bitcoin, the negative number of satoshi.';

create or replace view orders_readable as
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
    simulated,
    price_state,
    written_by,
    by_bitcoin_amount,
    quote_id,
    client_reference,
    metadata
from orders
order by seq desc;
