//! Why HTTP/2 connections are ended, as the metric names it.

/// Why an HTTP/2 connection was ended for what it sent beside requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum Flood {
    Settings,
    Ping,
    Reset,
    Priority,
    Empty,
    Continuation,
    WindowUpdate,
    HeaderList,
    ErrorReset,
    Other,
}

impl Flood {
    /// All of them, in the order of their numbers.
    pub const ALL: [Flood; 10] = [
        Flood::Settings,
        Flood::Ping,
        Flood::Reset,
        Flood::Priority,
        Flood::Empty,
        Flood::Continuation,
        Flood::WindowUpdate,
        Flood::HeaderList,
        Flood::ErrorReset,
        Flood::Other,
    ];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Ping => "ping",
            Self::Reset => "reset",
            Self::Priority => "priority",
            Self::Empty => "empty",
            Self::Continuation => "continuation",
            Self::WindowUpdate => "window_update",
            Self::HeaderList => "header_list",
            Self::ErrorReset => "error_reset",
            Self::Other => "other",
        }
    }
}
