-- The wallets of an order that a wallet pays. The columns are explained on PostgreSQL. Earlier rows have none, and a db-proxy of an
-- earlier release writes none.

alter table orders add column wallet_id blob;
alter table orders add column credit_wallet_id blob
    constraint orders_credit_is_paid check (credit_wallet_id is null or wallet_id is not null);

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
    ) end as user_id,
    case when wallet_id is not null then lower(
        substr(hex(wallet_id), 1, 8) || '-' || substr(hex(wallet_id), 9, 4) || '-' || substr(hex(wallet_id), 13, 4) || '-'
        || substr(hex(wallet_id), 17, 4) || '-' || substr(hex(wallet_id), 21)
    ) end as wallet_id,
    case when credit_wallet_id is not null then lower(
        substr(hex(credit_wallet_id), 1, 8) || '-' || substr(hex(credit_wallet_id), 9, 4) || '-'
        || substr(hex(credit_wallet_id), 13, 4) || '-' || substr(hex(credit_wallet_id), 17, 4) || '-'
        || substr(hex(credit_wallet_id), 21)
    ) end as credit_wallet_id
from orders
order by seq desc;
