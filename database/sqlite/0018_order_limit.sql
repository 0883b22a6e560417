-- The limit over all orders, once an operator has set it, and its changes. The columns are explained on PostgreSQL. Times are in
-- microseconds since 1970.

alter table order_totals add column limit_sats integer
    constraint order_totals_limit_in_range check (limit_sats >= 0 and limit_sats <= 2100000000000000);

create table limit_changes (
    number integer primary key constraint limit_changes_number_is_positive check (number > 0),
    changed_at integer not null,
    changed_by text not null,
    old_sats integer not null,
    new_sats integer not null
) strict;
