package io.github.signetlicensing.client;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * Tells callbacks of changes of the state: in order, one call at a time, and without a lock during
 * a call.
 */
final class ChangeNotifier {
  private final List<Consumer<State>> callbacks = new CopyOnWriteArrayList<>();
  private final Supplier<State> current;

  /** Changes that the callbacks have not got yet. */
  private final Queue<State> changes = new ArrayDeque<>();

  private State last;

  /** Whether a thread calls the callbacks. It does so for all changes that come until it ends. */
  private boolean isDelivering;

  private volatile boolean isStopped;

  ChangeNotifier(Supplier<State> current) {
    this.current = current;
    this.last = current.get();
  }

  void add(Consumer<State> callback) {
    callbacks.add(callback);
  }

  /** Ends all calls of callbacks. Does not wait for the present one. */
  void stop() {
    isStopped = true;
  }

  /**
   * Calls the callbacks if the state has changed since the last call. While another thread does,
   * leaves the change to it.
   */
  void check() {
    if (!noteChange()) return;
    for (Optional<State> state = take(); state.isPresent(); state = take()) deliver(state.get());
  }

  /** Queues a change of the state. Returns whether this thread has to deliver the changes. */
  private synchronized boolean noteChange() {
    State state = current.get();
    if (state.differsFrom(last)) changes.add(state);
    last = state;
    boolean isFree = !isDelivering;
    isDelivering = true;
    return isFree;
  }

  private synchronized Optional<State> take() {
    Optional<State> change = Optional.ofNullable(changes.poll());
    isDelivering = change.isPresent();
    return change;
  }

  private void deliver(State state) {
    for (Consumer<State> callback : callbacks) {
      if (isStopped) return;
      try {
        callback.accept(state);
      } catch (RuntimeException | Error ignored) {
        // An error of the app must not stop the background task.
      }
    }
  }
}
