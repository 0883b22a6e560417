-- The wallets of an order that a wallet pays. Earlier orders have none. A db-proxy of an earlier release writes none: it does not have
-- the endpoint that accepts such orders.

alter table orders
    add column wallet_id uuid,
    add column credit_wallet_id uuid,
    -- Not validated: both columns of all earlier rows are null.
    add constraint orders_credit_is_paid check (credit_wallet_id is null or wallet_id is not null) not valid;
comment on column orders.wallet_id is 'The wallet that paid the amount; null if no wallet paid. The movement of the payment has the id of the order.';
comment on column orders.credit_wallet_id is 'The wallet that received the bitcoin; null if no wallet received it.';

comment on table movements is 'Movements of money: one row for each deposit, withdrawal or transfer, and for each order that a wallet paid. Rows are inserted and never changed.';
comment on column movements.id is 'A UUID of version 7. The movement of an order has the id of the order.';
comment on column movements.key is 'The idempotency key of the request. That of an order is in idempotency_keys, and any other in wallet_keys.';
comment on table wallet_refusals is 'Operations, and orders to pay from a wallet, that were refused in the last minutes because of a balance. Identify a delayed duplicate of a request that was already refused.';

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
    user_id,
    wallet_id,
    credit_wallet_id
from orders
order by seq desc;
