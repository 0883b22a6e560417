-- Whether an order's price was fresh, or kept while nobody told a newer one. Every order so far was placed before that was
-- written down, and shows what it showed: nothing.
--
-- The constraints hold for new rows and are not asked of old ones, for whose sake the tables would be read whole while no
-- order can be placed.

alter table orders add column price_state text not null default 'fresh';
alter table orders add constraint orders_price_state_is_known check (price_state in ('fresh', 'prolonged')) not valid;

alter table quotes add column price_state text not null default 'fresh';
alter table quotes add constraint quotes_price_state_is_known check (price_state in ('fresh', 'prolonged')) not valid;

comment on column orders.price_state is 'fresh, or prolonged: several rounds of asking exchanges had failed, and the last good price was still used.';
comment on column quotes.price_state is 'As with orders.';

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
    price_state
from orders
order by seq desc;
