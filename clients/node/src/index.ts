export type { AppConfig } from "./config.js";
export { SignetError } from "./errors.js";
export type { Jwk } from "./jwt.js";
export { type License, open } from "./license.js";
export type { Options } from "./options.js";
export type { Active, ClockTampered, Expired, Offline, Refused, State, Unactivated } from "./state.js";
export type { Storage } from "./storage.js";
