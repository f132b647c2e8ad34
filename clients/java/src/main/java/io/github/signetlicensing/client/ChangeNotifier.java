package io.github.signetlicensing.client;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Tells callbacks of changes of the state, in order. */
final class ChangeNotifier {
  private final List<Consumer<State>> callbacks = new CopyOnWriteArrayList<>();
  private final Supplier<State> current;
  private State last;
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

  /** Calls the callbacks if the state has changed since the last call. */
  synchronized void check() {
    State state = current.get();
    boolean isChange = state.differsFrom(last);
    last = state;
    if (!isChange) return;
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
