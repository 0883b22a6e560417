-- The user of an order and of a quote. The columns are explained on PostgreSQL. Earlier rows have none, and an older db-proxy
-- writes none.

alter table orders add column user_id blob;
alter table orders add column anonymous_before integer
    constraint orders_anonymous_before_is_of_users check ((user_id is null) = (anonymous_before is null));

alter table quotes add column user_id blob;

alter table order_totals add column user_orders integer not null default 0
    constraint order_totals_user_orders_not_negative check (user_orders >= 0);
alter table order_totals add column user_bitcoin_sats integer not null default 0
    constraint order_totals_user_bitcoin_not_negative check (user_bitcoin_sats >= 0);

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
    metadata,
    case when user_id is not null then lower(
        substr(hex(user_id), 1, 8) || '-' || substr(hex(user_id), 9, 4) || '-' || substr(hex(user_id), 13, 4) || '-'
        || substr(hex(user_id), 17, 4) || '-' || substr(hex(user_id), 21)
    ) end as user_id
from orders
order by seq desc;
