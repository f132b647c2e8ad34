import { renameSync } from "node:fs";

const MAX_ATTEMPTS = 20;
const ATTEMPT_INTERVAL_MS = 10;
/** Codes with which Windows refuses to replace a file that another program, such as a virus scanner, has opened. */
const BUSY_CODES = ["EACCES", "EBUSY", "EPERM"];

/** Renames a file to one that may exist. Tries again on Windows while another program has opened it. */
export function replaceFile(from: string, to: string, platform: string = process.platform, rename = renameSync): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      rename(from, to);
      return;
    } catch (error) {
      const isBusy = platform === "win32" && BUSY_CODES.includes((error as NodeJS.ErrnoException).code ?? "");
      if (!isBusy || attempt === MAX_ATTEMPTS) throw error;
      pause(ATTEMPT_INTERVAL_MS);
    }
  }
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
