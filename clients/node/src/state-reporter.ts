import { isChange } from "./derive-state.js";
import type { State } from "./state.js";

type Listener = (state: State) => unknown;

/** Calls functions of the app with each new state, one call after another, in the order of the states. */
export class StateReporter {
  readonly #listeners = new Set<Listener>();
  readonly #pending: State[] = [];
  #isReporting = false;
  #isStopped = false;

  /** `last` is the state that is known already. */
  constructor(private last: State) {}

  /** Adds a function. Returns a function that removes it. */
  add(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Reports a state if it is a change. From within a call, it is reported after that to all functions. */
  report(state: State): void {
    if (!isChange(this.last, state)) return;
    this.last = state;
    this.#pending.push(state);
    if (this.#isReporting) return;
    this.#isReporting = true;
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) this.#call(next);
    this.#isReporting = false;
  }

  #call(state: State): void {
    for (const listener of [...this.#listeners]) {
      if (!this.#isStopped) callSafely(listener, state);
    }
  }
}

/** Calls a function of the app. What it throws, and a promise that it rejects, is ignored. */
function callSafely(listener: Listener, state: State): void {
  try {
    Promise.resolve(listener(state)).catch(() => {});
  } catch {
    // An error of the app.
  }
}
