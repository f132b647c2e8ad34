package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ChangeNotifierTest {
  private final List<String> told = new CopyOnWriteArrayList<>();
  private volatile State state = State.clockTampered();
  private final ChangeNotifier notifier = new ChangeNotifier(() -> state);

  @Test
  void a_callback_can_wait_for_a_thread_that_changes_the_state() {
    tellTwo(() -> CompletableFuture.runAsync(() -> change("second")).join());
  }

  @Test
  void a_change_by_a_callback_is_told_after_the_call() {
    tellTwo(() -> change("second"));
  }

  /** Changes the state, and again during the call of the first of two callbacks. */
  private void tellTwo(Runnable secondChange) {
    notifier.add(
        now -> {
          told.add("begin " + now);
          if (now.code().equals(Optional.of("first"))) secondChange.run();
          told.add("end " + now);
        });
    notifier.add(now -> told.add("other " + now));
    change("first");
    assertEquals(
        List.of(
            "begin Refused (first)",
            "end Refused (first)",
            "other Refused (first)",
            "begin Refused (second)",
            "end Refused (second)",
            "other Refused (second)"),
        told);
  }

  private void change(String code) {
    state = State.refused(code, Optional.empty());
    notifier.check();
  }
}
