//! Where the worker's lines go: to stderr, one write a line.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::policy::{LogFormat, LogLevel, LogPolicy};

/// Starts writing. A second call changes nothing.
pub fn start(policy: LogPolicy) {
    let level = match policy.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let access = if policy.access { LevelFilter::INFO } else { LevelFilter::OFF };
    // The access log is a record, not a diagnosis: the level does not silence it. Libraries only
    // speak up when something is wrong, for their detail would quote what clients send.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("firewall_gateway", level)
        .with_target("access", access);
    // The layer formats a line whole and hands it to stderr, which has no buffer, in one piece.
    // Where stderr is closed, reporting that on stderr would panic and end the worker.
    let lines = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = match policy.format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    // An error means that a subscriber is there already, and lines are written.
    let _already = tracing_subscriber::registry().with(lines.with_filter(targets)).try_init();
}
