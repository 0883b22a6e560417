-- Who wrote an order or a quote: the service whose token the request had. Rows from before have no name, and an older db-proxy
-- writes the default.

alter table orders add column written_by text not null default 'unknown';
alter table quotes add column written_by text not null default 'unknown';

drop view orders_readable;
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
    simulated,
    price_state,
    written_by
from orders
order by seq desc;
