//! Processes, servers and connections that fail while orders are placed.

mod cancelled_callers;
mod changed_servers;
mod clocks;
mod crashes;
mod documented_program;
mod failovers;
mod instances;
mod lost_connections;
mod migrations;
mod outages;
mod process_kills;
mod rolling_restarts;
mod slow_reads;
mod undecided_orders;
mod write_outages;
