-- Refusals that are remembered for some minutes. The columns are explained on PostgreSQL.

create table refusals (
    client text not null,
    key text not null,
    currency text not null,
    amount_e4 integer not null,
    remaining_sats integer,
    refused_at integer not null,
    constraint refusals_pkey primary key (client, key, currency, amount_e4)
) strict, without rowid;

create index refusals_refused_at on refusals (refused_at);

alter table order_totals add column last_refused_at integer not null default 0;
