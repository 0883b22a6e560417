//! The operation of the platform, such as health, settings and backups, and the HTTP conventions of every service.

mod access;
mod alerts;
mod backups;
mod browsers;
mod buydesk_up;
mod command_line;
mod connections;
mod database_errors;
mod demo_health;
mod health;
mod http_conventions;
mod kubernetes;
mod least_privilege;
mod live_settings;
mod load_command;
mod locust;
mod monitoring;
mod nginx;
mod one_address;
mod openapi;
mod query_parameters;
mod responses;
mod settings;
mod traces;
