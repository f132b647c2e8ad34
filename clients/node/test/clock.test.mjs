import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Clock } from "../dist/clock.js";

const START = 1_768_478_400;
const DAY = 86_400;

/** A clock over a wall clock and a monotonic clock that the test sets. */
function testClock(record = null) {
  const machine = { wallTime: START, monotonicTime: 0 };
  const time = { wall: () => machine.wallTime, monotonic: () => machine.monotonicTime };
  return { machine, clock: new Clock(time, record) };
}

/** Times go on, and the wall clock is changed. */
const changes = fc.array(
  fc.record({ pass: fc.integer({ min: 0, max: 10 * DAY }), change: fc.integer({ min: -10 * DAY, max: 10 * DAY }) }),
  { maxLength: 30 },
);

function observe({ machine, clock }, { pass, change }) {
  machine.monotonicTime += pass;
  machine.wallTime += pass + change;
  clock.observe(0);
}

test("the time never goes back, and advances at least as fast as the monotonic clock", () => {
  fc.assert(
    fc.property(changes, (steps) => {
      const subject = testClock();
      for (const step of steps) {
        const before = subject.clock.now;
        observe(subject, step);
        assert.ok(subject.clock.now >= before + step.pass);
      }
    }),
  );
});

test("the time is at most 60 seconds behind the wall clock, and behind says how far it is ahead", () => {
  fc.assert(
    fc.property(changes, (steps) => {
      const subject = testClock();
      for (const step of steps) {
        observe(subject, step);
        const difference = subject.clock.now - subject.machine.wallTime;
        assert.ok(difference >= 0);
        assert.ok(subject.clock.behind >= 0 && difference < subject.clock.behind + 60.001);
      }
    }),
  );
});

test("set-backs only add up, and are never more than what the wall clock was set back by", () => {
  fc.assert(
    fc.property(changes, (steps) => {
      const subject = testClock();
      let largest = 0;
      for (const step of steps) {
        const before = subject.clock.setBack;
        observe(subject, step);
        largest += Math.max(0, -step.change);
        assert.ok(subject.clock.setBack >= before && subject.clock.setBack <= largest);
      }
    }),
  );
});

test("a clock that is only set forward is never tampered with", () => {
  fc.assert(
    fc.property(changes, (steps) => {
      const subject = testClock();
      for (const { pass, change } of steps) observe(subject, { pass, change: Math.abs(change) });
      assert.equal(subject.clock.setBack, 0);
    }),
  );
});

test("a restart keeps the time and the set-backs", () => {
  fc.assert(
    fc.property(changes, (steps) => {
      const subject = testClock();
      for (const step of steps) observe(subject, step);
      const record = subject.clock.save(Number.POSITIVE_INFINITY);
      const restarted = testClock(record);
      restarted.machine.wallTime = subject.machine.wallTime;
      restarted.clock.observe(0);
      assert.ok(Math.abs(restarted.clock.now - subject.clock.now) <= 60);
      assert.ok(Math.abs(restarted.clock.setBack - subject.clock.setBack) <= 60);
    }),
  );
});

test("a signed time that is later ends all set-backs, and an earlier one changes nothing", () => {
  fc.assert(
    fc.property(changes, fc.integer({ min: -DAY, max: DAY }), (steps, offset) => {
      const subject = testClock({ last_seen: START, behind: 0, set_back: 0, reference: START });
      for (const step of steps) observe(subject, step);
      const { now, setBack } = subject.clock;
      subject.clock.synchronize(START + offset, START + offset + 3600);
      assert.equal(subject.clock.setBack, offset > 0 ? 0 : setBack);
      if (offset <= 0) assert.equal(subject.clock.now, now);
      else assert.ok(subject.clock.now >= START + offset - 60 && subject.clock.now <= START + offset + 3600);
    }),
  );
});
