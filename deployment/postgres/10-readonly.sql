-- The read-only role for people who read the tables, in pgAdmin or elsewhere. db-proxy is the only writer. PostgreSQL runs
-- this file only when it creates its volume. For an existing volume, run it by hand:
--
--   docker compose -f deployment/docker-compose.yml exec postgres \
--     psql -U buydesk -f /docker-entrypoint-initdb.d/10-readonly.sql

\getenv password POSTGRES_READONLY_PASSWORD

create role buydesk_readonly login password :'password' in role pg_read_all_data, pg_monitor;

-- These limits keep expensive queries of readers from slowing down orders.
alter role buydesk_readonly connection limit 20;
alter role buydesk_readonly set statement_timeout = '60s';
alter role buydesk_readonly set idle_in_transaction_session_timeout = '60s';
alter role buydesk_readonly set default_transaction_read_only = on;
