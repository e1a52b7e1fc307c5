//! The daemon's life: starting, refusing, reloading, losing its worker, stopping.

mod bad_input;

mod start_stop;

mod reload;

mod worker;
