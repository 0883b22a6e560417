-- The user of an order and of a quote. Earlier ones have none; an older db-proxy writes none, so its orders are anonymous.
--
-- The list of one user has an index, which anonymous orders do not enter. The list of the anonymous orders has none: a row of a
-- user counts the anonymous orders before it, and so leads past the orders of users.

alter table orders
    add column user_id uuid,
    add column anonymous_before bigint,
    -- Not validated: both columns of all earlier rows are null.
    add constraint orders_anonymous_before_is_of_users check ((user_id is null) = (anonymous_before is null)) not valid;
comment on column orders.user_id is 'The user who placed the order; null if it was placed without a key. No foreign key: users are never deleted, and the check would be paid for every order.';
comment on column orders.anonymous_before is 'For orders of users: how many orders without a user precede it.';

alter table quotes add column user_id uuid;
comment on column quotes.user_id is 'The user who requested the quote; null if it was requested without a key. Only this user can take it.';

alter table order_totals
    add column user_orders bigint not null default 0
        constraint order_totals_user_orders_not_negative check (user_orders >= 0),
    add column user_bitcoin_sats bigint not null default 0
        constraint order_totals_user_bitcoin_not_negative check (user_bitcoin_sats >= 0);
comment on column order_totals.user_orders is 'How many of the orders have a user. Anonymous orders are not counted, because an older db-proxy places only those.';
comment on column order_totals.user_bitcoin_sats is 'The bitcoin of these orders, in satoshi.';

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
    metadata,
    user_id
from orders
order by seq desc;
