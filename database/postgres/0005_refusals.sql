-- Refusals that are remembered for some minutes. A request whose sender died may still lie in the queue of one db-proxy when
-- its client asks again by way of another and is refused: what was asked for before a refusal is refused with it.

create table refusals (
    client text collate "C" not null,
    key text collate "C" not null,
    currency text not null,
    amount_e4 bigint not null,
    remaining_sats bigint,
    refused_at timestamptz not null,
    constraint refusals_pkey primary key (client, key, currency, amount_e4)
);

comment on table refusals is 'Orders that were refused and might fit or have a price later, with the key they were sent under. Removed after some minutes.';
comment on column refusals.remaining_sats is 'What was left under the limit, in satoshi; null where the reason was that there was no price.';
comment on column refusals.refused_at is 'The same order under the same key that was asked for until then has this answer too; later ones are decided anew.';

create index refusals_refused_at on refusals (refused_at);

alter table order_totals add column last_refused_at timestamptz not null default 'epoch';
comment on column order_totals.last_refused_at is 'When the newest of the refusals was made: where every order of a group is younger, they are not looked at.';
