//! Log lines: structured, on the standard error stream.

use std::io;

use tracing::level_filters::LevelFilter;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Starts logging; once a process.
pub fn start(config: LogConfig) {
    let level = match config.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr);
    match config.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).init(),
        // Colours in a file are noise, and the escapes that make them are not escaped.
        LogFormat::Text => lines.with_ansi(false).init(),
    }
}
