import assert from "node:assert/strict";
import { test } from "node:test";
import { StateReporter } from "../dist/state-reporter.js";

const revoked = { name: "Refused", mayRun: false, code: "revoked", retryAt: null };
const tampered = { name: "ClockTampered", mayRun: false };

test("calls do not overlap, and each function gets the states in their order, also if one of them changes the state", () => {
  const reporter = new StateReporter(tampered);
  const calls = [];
  reporter.add((state) => {
    calls.push(`first: ${state.name}`);
    if (state === revoked) reporter.report(tampered);
    calls.push("first ends");
  });
  reporter.add((state) => calls.push(`second: ${state.name}`));
  reporter.report(revoked);
  assert.deepEqual(calls, [
    "first: Refused",
    "first ends",
    "second: Refused",
    "first: ClockTampered",
    "first ends",
    "second: ClockTampered",
  ]);
});

test("no call follows a stop, also not that of a state which is being reported", () => {
  const reporter = new StateReporter(tampered);
  const calls = [];
  reporter.add((state) => {
    calls.push(state.name);
    reporter.report(tampered);
    reporter.stop();
  });
  reporter.add(() => assert.fail("a call"));
  reporter.report(revoked);
  assert.deepEqual(calls, ["Refused"]);
});
