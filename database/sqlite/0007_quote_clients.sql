-- The client of a quote: what one client reserves is limited. An older db-proxy writes the default.

alter table quotes add column client text not null default 'anonymous';

create index quotes_open_by_client on quotes (client) where state = 'held';
