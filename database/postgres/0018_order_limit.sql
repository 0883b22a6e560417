-- The limit over all orders, once an operator has set it, and its changes. A db-proxy of an earlier release does not read it: it applies
-- its setting BTC_LIMIT.

alter table order_totals
    add column limit_sats bigint
        constraint order_totals_limit_in_range check (limit_sats >= 0 and limit_sats <= 2100000000000000);
comment on column order_totals.limit_sats is 'The limit over all orders and open quotes, in satoshi, which an operator has set; null if no operator has set it, and then the setting BTC_LIMIT of each db-proxy applies. In the row that every batch of orders locks, so that all instances apply it at once.';

create table limit_changes (
    number bigint constraint limit_changes_pkey primary key constraint limit_changes_number_is_positive check (number > 0),
    changed_at timestamptz not null,
    changed_by text not null,
    old_sats bigint not null,
    new_sats bigint not null
);

comment on table limit_changes is 'Every change of order_totals.limit_sats. Rows are inserted and never changed or deleted.';
comment on column limit_changes.number is 'The position in the sequence of changes: 1, 2, 3, … with no gap.';
comment on column limit_changes.changed_by is 'The name that the operator gave.';
comment on column limit_changes.old_sats is 'The limit before the change, in satoshi. Before the first change, BTC_LIMIT of the db-proxy that made it.';
comment on column limit_changes.new_sats is 'The limit after the change, in satoshi.';
