use std::{
    collections::VecDeque,
    panic::{catch_unwind, AssertUnwindSafe},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use crate::{signal::Signal, state::State};

pub(crate) type Callback = Arc<dyn Fn(&State) + Send + Sync>;

/// Calls the callbacks of `on_change`: one call after the other, in the order of the states, and without a lock during a call.
#[derive(Default)]
pub(crate) struct Callbacks {
    callbacks: Arc<RwLock<Vec<Callback>>>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    states: VecDeque<State>,
    /// A thread is calling back. It goes on until there is no state in the queue.
    is_delivering: bool,
}

impl Callbacks {
    /// Returns the same callbacks with an empty queue: the parent reports its changes itself.
    pub(crate) fn for_forked_child(&self) -> Self {
        Self { callbacks: self.callbacks.clone(), queue: Mutex::default() }
    }

    pub(crate) fn add(&self, callback: Callback) {
        self.callbacks.write().unwrap_or_else(PoisonError::into_inner).push(callback);
    }

    pub(crate) fn enqueue(&self, state: State) {
        self.queue().states.push_back(state);
    }

    /// Calls back with the states of the queue until the license is closed. Returns at once if another thread does, or a
    /// caller of this one. A panic of a callback is ignored.
    pub(crate) fn deliver(&self, signal: &Signal) {
        {
            let mut queue = self.queue();
            if queue.is_delivering {
                return;
            }
            queue.is_delivering = true;
        }
        while let Some(state) = self.next() {
            let callbacks = self.callbacks.read().unwrap_or_else(PoisonError::into_inner).clone();
            for callback in callbacks.iter().take_while(|_| !signal.is_closed()) {
                let _ = catch_unwind(AssertUnwindSafe(|| callback(&state)));
            }
        }
    }

    /// Takes the next state of the queue. Without one, the delivery ends.
    fn next(&self) -> Option<State> {
        let mut queue = self.queue();
        let state = queue.states.pop_front();
        queue.is_delivering = state.is_some();
        state
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
