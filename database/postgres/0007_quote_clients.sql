-- The client of a quote: what one client reserves is limited. An older db-proxy writes the default.

alter table quotes add column client text collate "C" not null default 'anonymous';
comment on column quotes.client is 'Who requested the quote, such as ip:192.0.2.1; anonymous if unknown. The open quotes of one client have a cap.';

-- Finds the open quotes of a client without reading the others.
create index quotes_open_by_client on quotes (client) where state = 'held';
