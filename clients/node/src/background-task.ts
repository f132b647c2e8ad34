/** The task looks at the clock this often, because timers stop while a computer sleeps. */
const MAX_DELAY_MS = 60_000;
const MIN_DELAY_MS = 1_000;

/** Runs a function when it is due, and at least once a minute. It never keeps the process running, and never throws. */
export class BackgroundTask {
  #timer: NodeJS.Timeout | undefined;
  #run: AbortController | undefined;
  #isStopped = false;

  /** `secondsToNextRun` returns null if nothing is due. */
  constructor(
    private readonly run: (signal: AbortSignal) => Promise<void>,
    private readonly secondsToNextRun: () => number | null,
  ) {}

  /** Plans the next run. Called again, it replaces the plan by one from the present state. A run that is in progress plans the next one at its end. */
  schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isStopped || this.#run !== undefined) return;
    const delay = (this.secondsToNextRun() ?? Number.POSITIVE_INFINITY) * 1000;
    this.#timer = setTimeout(() => void this.#tick(), Math.min(MAX_DELAY_MS, Math.max(MIN_DELAY_MS, delay)));
    // The timers of test libraries have no `unref`.
    this.#timer.unref?.();
  }

  /** Cancels the run that is in progress, so that an operation of the app need not wait for it. */
  interrupt(): void {
    this.#run?.abort();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.interrupt();
  }

  async #tick(): Promise<void> {
    const controller = new AbortController();
    this.#run = controller;
    try {
      await this.run(controller.signal);
    } catch {
      // The run was cancelled, or failed; the next one tries again.
    }
    this.#run = undefined;
    this.schedule();
  }
}
