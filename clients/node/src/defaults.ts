import type { ClientOptions } from "./client.js";
import type { Config } from "./config.js";
import { FileStorage } from "./file-storage.js";
import type { HttpOptions } from "./http-transport.js";
import { deriveMachineId, ephemeralMachineId, type MachineId } from "./machine-id.js";
import type { Options } from "./options.js";
import type { Storage } from "./storage.js";
import { defaultFolder, defaultMachineName, describeSystem, systemMachine } from "./system.js";
import { VERSION } from "./version.js";

/** Returns the options of the core, with defaults. */
export function clientOptions(config: Config, options: Options): ClientOptions {
  const machine = findMachineId(config.product, options.machineId);
  return {
    machineId: machine.id,
    isEphemeral: machine.isEphemeral,
    instanceId: options.instanceId ?? null,
    machineName: options.machineName === undefined ? defaultMachineName() : options.machineName,
    appVersion: options.appVersion ?? null,
    os: options.os === undefined ? describeSystem() : options.os,
    hostname: options.hostname ?? null,
    keepLicenseKey: options.keepLicenseKey ?? true,
    storageName: options.storage ? "storage of the app" : (options.folder ?? defaultFolder(config.product) ?? "memory"),
  };
}

/** Returns the storage. Without a folder nothing can be written, and the client keeps everything in memory. */
export function findStorage(config: Config, options: Options): Storage {
  if (options.storage) return options.storage;
  const folder = options.folder ?? defaultFolder(config.product);
  return folder === null ? noStorage : new FileStorage(folder);
}

/** Returns the options of the transport, with defaults. */
export function httpOptions(config: Config, options: Options): HttpOptions {
  const { ca = [], userAgentSuffix } = options;
  return {
    apiUrl: config.apiUrl,
    proxy: options.proxy ?? null,
    ca: (Array.isArray(ca) ? ca : [ca]).map((pem) => (typeof pem === "string" ? pem : new TextDecoder().decode(pem))),
    userAgent: `signet-client-node/${VERSION}${userAgentSuffix ? ` ${userAgentSuffix}` : ""}`,
    connectTimeoutSeconds: options.connectTimeoutSeconds ?? 10,
    timeoutSeconds: options.timeoutSeconds ?? 30,
  };
}

/** An app that gives no id, because it cannot read one, gets an ephemeral one. */
function findMachineId(product: string, option: Options["machineId"]): MachineId {
  if (option === undefined) return deriveMachineId(product, systemMachine);
  try {
    const id = typeof option === "string" ? option : option();
    return id ? { id, isEphemeral: false } : ephemeralMachineId();
  } catch {
    return ephemeralMachineId();
  }
}

const noStorage: Storage = {
  read: () => null,
  write: () => {
    throw new Error("there is no folder");
  },
  remove: () => {},
};
