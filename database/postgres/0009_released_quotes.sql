-- A client may release the reservation of a quote before the quote expires. The state of such a quote is `expired`, because an
-- older db-proxy knows no other one; the time distinguishes it.

alter table quotes add column released_at timestamptz;
comment on column quotes.released_at is 'When the client released the reservation. The state is then expired.';
