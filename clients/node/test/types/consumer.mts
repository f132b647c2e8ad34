// Compiled, not run: the types of the package, as an ES module sees them.
import { type License, type Options, open, SignetError, type State, type Storage } from "signet-client";

const storage: Storage = { read: () => null, write: () => {}, remove: () => {} };
const options: Options = { storage, machineId: () => "machine-1", machineName: null, ca: ["pem"], keepLicenseKey: false };
const license: License = open({ issuer: "", product: "", root_keys: [{ kty: "RSA", n: "", e: "" }] }, options);
const end: () => void = license.onChange((state: State) => describe(state));

/** A state is narrowed by its name. */
export function describe(state: State): string {
  switch (state.name) {
    case "Active":
      return state.inGrace ? `renew until ${state.graceEndsAt?.toISOString()}` : state.until.toISOString();
    case "Offline":
      return `${state.reason} ${state.until.toISOString()}`;
    case "Expired":
      return state.since.toISOString();
    case "Refused":
      return `${state.code} ${state.retryAt?.toISOString()}`;
    case "Unactivated":
      return state.hasLicenseKey ? "activating" : String(state);
    case "ClockTampered":
      return (state.mayRun satisfies false) ? "" : state.name;
  }
}

export async function use(): Promise<number> {
  try {
    const state: State = await license.activate("KEY");
    await license.borrow(new Date());
    await license.close();
    return state.mayRun ? license.limit("rows") : 0;
  } catch (error) {
    end();
    return error instanceof SignetError ? error.code.length : 0;
  }
}

// @ts-expect-error A license is created by `open`.
export const wrong = new License();
// @ts-expect-error The product is missing.
open({ issuer: "", root_keys: [] });
// @ts-expect-error A time is a date.
license.borrow(1);
