-- One row that db-proxy writes to find out whether the database accepts writes. The time is in microseconds since 1970.

create table write_probe (
    id integer primary key constraint write_probe_is_one_row check (id = 1),
    written_at integer not null
) strict;
