use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Condvar, Mutex, PoisonError,
    },
    time::Duration,
};

/// Wakes and stops the background thread.
#[derive(Default)]
pub(crate) struct Signal {
    is_closed: AtomicBool,
    is_woken: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn wake(&self) {
        *self.is_woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Returns false if it was closed before.
    pub(crate) fn close(&self) -> bool {
        let was_closed = self.is_closed.swap(true, Ordering::AcqRel);
        self.wake();
        !was_closed
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Waits until the time-out, or until woken or closed. Returns false if closed.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let is_woken = self.is_woken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(is_woken, timeout, |is_woken| !*is_woken);
        let (mut is_woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *is_woken = false;
        !self.is_closed()
    }
}
