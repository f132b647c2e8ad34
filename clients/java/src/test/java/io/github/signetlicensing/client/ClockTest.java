package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class ClockTest {
  private static final double START = 1_768_478_400;

  /** Seconds that pass, and seconds by which the wall clock is set besides. */
  private static final class Step {
    final double elapsed;
    final double shift;

    Step(double elapsed, double shift) {
      this.elapsed = elapsed;
      this.shift = shift;
    }
  }

  @Provide
  Arbitrary<List<Step>> steps() {
    Arbitrary<Double> elapsed = Arbitraries.doubles().between(0, 100_000);
    Arbitrary<Double> shift =
        Arbitraries.oneOf(
            Arbitraries.just(0.0),
            Arbitraries.doubles().between(-90, 90),
            Arbitraries.doubles().between(-200_000, 200_000));
    return Combinators.combine(elapsed, shift).as(Step::new).list().ofMaxSize(30);
  }

  @Property
  void time_never_goes_back_and_is_never_behind_the_wall_clock(@ForAll("steps") List<Step> steps) {
    double wall = START;
    Clock clock = Clock.start(wall, 0);
    for (Step step : steps) {
      wall += step.elapsed + step.shift;
      Clock next = clock.observe(wall, step.elapsed, 0);
      assertTrue(next.time >= clock.time + step.elapsed);
      assertTrue(next.time >= wall);
      assertTrue(next.setBack >= clock.setBack);
      clock = next;
    }
  }

  @Property
  void a_clock_that_is_set_back_by_more_than_a_day_in_all_is_tampered(
      @ForAll("steps") List<Step> steps) {
    double wall = START;
    double removed = 0;
    Clock clock = Clock.start(wall, 0);
    for (Step step : steps) {
      // Each step also sets the clock back by the same time, and forward again.
      wall += step.elapsed;
      clock = clock.observe(wall, step.elapsed, 0);
      double back = Math.abs(step.shift);
      clock = clock.observe(wall - back, 0, 0);
      clock = clock.observe(wall, 0, 0);
      if (back > 60) removed += back;
    }
    assertEquals(removed, clock.setBack, 0.001);
    assertEquals(removed > 86_400, clock.isTampered());
  }

  @Property
  void no_set_back_is_counted_while_the_wall_clock_only_goes_forward(
      @ForAll("steps") List<Step> steps) {
    double wall = START;
    Clock clock = Clock.start(wall, 0);
    for (Step step : steps) {
      wall += step.elapsed + Math.abs(step.shift);
      clock = clock.observe(wall, step.elapsed, 0);
    }
    assertEquals(0, clock.setBack);
    assertEquals(wall, clock.time);
  }

  @Property
  void a_restart_does_not_count_a_set_back_again(@ForAll("steps") List<Step> steps) {
    double wall = START;
    Clock clock = Clock.start(wall, 0);
    for (Step step : steps) {
      // The clock is stored in whole seconds.
      double elapsed = Math.rint(step.elapsed);
      wall += elapsed + Math.rint(step.shift);
      clock = clock.observe(wall, elapsed, 0);
    }
    Clock restarted = Clock.parse(clock.toJson()).orElseThrow().observe(wall, 0, 0);
    assertEquals(clock.setBack, restarted.setBack);
    assertEquals(clock.time, restarted.time);
  }

  @Test
  void clocks_of_two_processes_agree_after_a_merge() {
    Clock older = new Clock(START, 0, 0, START - 900);
    Clock newer = new Clock(START - 600, 0, 0, START - 600);
    assertEquals(newer.time, older.merge(newer).time);
    assertEquals(newer.time, newer.merge(older).time);
    Clock setBack = new Clock(START - 10, 7_200, 7_200, START - 900);
    Clock merged = older.merge(setBack);
    List<Double> fields = new ArrayList<>(List.of(merged.time, merged.behind, merged.setBack));
    assertEquals(List.of(START, 7_200.0, 7_200.0), fields);
  }
}
