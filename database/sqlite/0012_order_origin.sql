-- Whether the orders of this database are simulated or real. The table is explained on PostgreSQL. The time is in microseconds
-- since 1970.

create table order_origin (
    id integer primary key constraint order_origin_is_one_row check (id = 1),
    simulated integer not null constraint order_origin_simulated_is_boolean check (simulated in (0, 1)),
    marked_at integer not null default (unixepoch() * 1000000)
) strict;

insert into order_origin (id, simulated)
select 1, not exists (select 1 from orders where not simulated)
where exists (select 1 from orders);
