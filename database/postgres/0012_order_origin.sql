-- Whether the orders of this database are simulated or real. A database that holds orders is marked by them; one that holds
-- both is one of real orders. Another database is marked when db-proxy starts with SIMULATED, or with the first order.
-- A db-proxy of an earlier release does not read the table.

create table order_origin (
    id integer constraint order_origin_pkey primary key constraint order_origin_is_one_row check (id = 1),
    simulated boolean not null,
    marked_at timestamptz not null default now()
);

comment on table order_origin is 'One row, once it is known whether the orders are simulated or real. db-proxy refuses orders at prices of the other kind.';
comment on column order_origin.simulated is 'Whether the orders are simulated: their prices come from simulated exchanges, or `buydesk seed` generated them.';
comment on column order_origin.marked_at is 'When the row was written. It never changes.';

insert into order_origin (id, simulated)
select 1, not exists (select from orders where not simulated)
where exists (select from orders);
