// The ES module entry point. There is one copy of the code, in CommonJS, so that `instanceof SignetError` holds in an app that
// loads the package in both ways.

export type * from "./index.js";
export { open, SignetError } from "./index.js";
