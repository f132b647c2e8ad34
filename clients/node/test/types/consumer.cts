// Compiled, not run: the types of the package, as a CommonJS module sees them.
import signet = require("signet-client");

const license: signet.License = signet.open("{}", { folder: "x", proxy: "http://proxy:3128" });
export const state: signet.State = license.importLicenseFile(new Uint8Array());
export const isError = (error: unknown): error is signet.SignetError => error instanceof signet.SignetError;
