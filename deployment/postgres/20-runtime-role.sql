-- The role of db-proxy. It reads and writes rows and cannot change the schema: the owner `buydesk` applies the migrations.
-- PostgreSQL runs this file only when it creates its volume. For an existing volume, run it by hand:
--
--   docker compose -f deployment/docker-compose.yml exec postgres \
--     psql -U buydesk -f /docker-entrypoint-initdb.d/20-runtime-role.sql

\getenv password POSTGRES_APP_PASSWORD

create role buydesk_app login password :'password';

-- Databases that were created before PostgreSQL 15 let every role create tables.
revoke create on schema public from public;
grant usage on schema public to buydesk_app;
-- The existing tables, and the tables that later migrations create.
grant select, insert, update, delete on all tables in schema public to buydesk_app;
alter default privileges in schema public grant select, insert, update, delete on tables to buydesk_app;
