//! Operations: health, settings, API documents, and the HTTP conventions of every service.

mod health;
mod http_conventions;
mod openapi;
mod settings;
