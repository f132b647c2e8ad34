//! Progress on a terminal.

use std::io::{self, IsTerminal, Write};

/// A line of stderr that is overwritten and finally erased. Without a terminal, nothing is printed.
pub(super) struct Progress {
    is_enabled: bool,
    is_visible: bool,
}

impl Progress {
    /// Starts without a text. `is_alone` tells that nothing else is printed on the terminal at the same time.
    pub(super) fn new(is_alone: bool) -> Self {
        Self { is_enabled: is_alone && io::stderr().is_terminal(), is_visible: false }
    }

    /// Shows a text in place of the previous one, which is not longer.
    pub(super) fn show(&mut self, text: &str) {
        if self.is_enabled {
            self.is_visible = true;
            let _ = write!(io::stderr(), "\r{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_visible {
            // Erases the line.
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
