-- The role of db-proxy. It reads and writes rows and cannot change the schema. The operator sets its password.
create role buydesk_app;
revoke create on schema public from public;
grant usage on schema public to buydesk_app;
-- The tables that the migrations create as the owner.
alter default privileges for role buydesk in schema public grant select, insert, update, delete on tables to buydesk_app;
