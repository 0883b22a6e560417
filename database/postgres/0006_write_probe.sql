-- One row that db-proxy writes to find out whether the database accepts writes.

create table write_probe (
    id integer constraint write_probe_pkey primary key constraint write_probe_is_one_row check (id = 1),
    written_at timestamptz not null
);

comment on table write_probe is 'One row, written every few seconds while no order is placed, to find out whether orders can be placed.';
comment on column write_probe.written_at is 'When the last probe succeeded.';
