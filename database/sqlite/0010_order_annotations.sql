-- What a client notes on its order (a reference, metadata), and whether it named the money or the bitcoin. The columns are explained
-- on PostgreSQL.

alter table orders add column by_bitcoin_amount integer not null default 0
    constraint orders_by_bitcoin_amount_is_boolean check (by_bitcoin_amount in (0, 1));
alter table orders add column client_reference text;
alter table orders add column metadata text;

alter table quotes add column by_bitcoin_amount integer not null default 0
    constraint quotes_by_bitcoin_amount_is_boolean check (by_bitcoin_amount in (0, 1));

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
    written_by,
    by_bitcoin_amount,
    case when quote_id is not null then lower(
        substr(hex(quote_id), 1, 8) || '-' || substr(hex(quote_id), 9, 4) || '-' || substr(hex(quote_id), 13, 4) || '-'
        || substr(hex(quote_id), 17, 4) || '-' || substr(hex(quote_id), 21)
    ) end as quote_id,
    client_reference,
    metadata
from orders
order by seq desc;
