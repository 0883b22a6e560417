//! What operators and developers rely on: health, settings, documentation, and the HTTP conventions of every service.

mod health;
mod http_conventions;
mod openapi;
mod settings;
