import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { BackgroundTask } from "../dist/background-task.js";

/** The timer that was set last, or undefined. */
let timer;
beforeEach(() => {
  mock.method(globalThis, "setTimeout", (callback, delay) => {
    const created = { callback, delay, isUnref: false, unref: () => Object.assign(created, { isUnref: true }) };
    timer = created;
    return created;
  });
  mock.method(globalThis, "clearTimeout", (cleared) => {
    if (timer === cleared) timer = undefined;
  });
});
afterEach(() => {
  timer = undefined;
  mock.restoreAll();
});

/** A task that counts its runs. `next` is the seconds until the next one. */
function startTask(next, run = async () => {}) {
  const runs = [];
  const task = new BackgroundTask(
    (signal) => {
      runs.push(signal);
      return run();
    },
    () => next,
  );
  task.schedule();
  return { task, runs };
}

/** Lets the time of the timer come, and promises settle. */
async function elapse() {
  timer.callback();
  await new Promise(setImmediate);
}

for (const [next, delay] of [
  [5, 5_000],
  [3_600, 60_000],
  [null, 60_000],
  [0, 1_000],
]) {
  test(`a task that is due in ${next} seconds runs after ${delay} ms, again and again`, async () => {
    const { runs } = startTask(next);
    for (const count of [1, 2]) {
      assert.equal(timer.delay, delay);
      await elapse();
      assert.equal(runs.length, count);
    }
  });
}

test("the timer does not keep the process running", () => {
  startTask(5);
  assert.equal(timer.isUnref, true);
});

test("a run that fails is followed by another", async () => {
  const { runs } = startTask(5, async () => {
    throw new Error("failed");
  });
  await elapse();
  await elapse();
  assert.equal(runs.length, 2);
});

test("no run starts while one is in progress, and it plans the next one", async () => {
  const ends = [];
  const { task, runs } = startTask(5, () => new Promise((resolve) => ends.push(resolve)));
  await elapse();
  timer = undefined;
  task.schedule();
  assert.equal(timer, undefined);
  task.interrupt();
  assert.equal(runs[0].aborted, true);
  ends[0]();
  await new Promise(setImmediate);
  assert.equal(timer.delay, 5_000);
});

test("interrupt cancels the present run, and stop ends all", async () => {
  const { task, runs } = startTask(5, () => new Promise(() => {}));
  await elapse();
  task.interrupt();
  assert.equal(runs[0].aborted, true);
  task.schedule();
  task.stop();
  task.schedule();
  assert.equal(timer, undefined);
});
