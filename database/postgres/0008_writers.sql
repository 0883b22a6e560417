-- Who wrote an order or a quote: the service whose token the request had. Rows from before have no name, and an older db-proxy
-- writes the default.

alter table orders add column written_by text not null default 'unknown';
comment on column orders.written_by is 'The caller that sent the order to db-proxy, such as create-order; operator for the internal token itself.';

alter table quotes add column written_by text not null default 'unknown';
comment on column quotes.written_by is 'As with orders.';

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
    written_by
from orders
order by seq desc;
