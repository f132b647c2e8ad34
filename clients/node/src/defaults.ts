import {
  checkCertificates,
  checkInstanceId,
  checkMachineId,
  checkProxy,
  checkTimeout,
  checkUserAgent,
  invalidOption,
} from "./check-options.js";
import type { ClientOptions } from "./client.js";
import type { Config } from "./config.js";
import { FileStorage } from "./file-storage.js";
import type { HttpOptions } from "./http-transport.js";
import { deriveMachineId, type MachineId } from "./machine-id.js";
import type { Options } from "./options.js";
import type { Storage } from "./storage.js";
import { defaultFolder, defaultMachineName, describeSystem, systemMachine } from "./system.js";
import { VERSION } from "./version.js";

/** Returns the options of the core, with defaults. Throws if one is not valid. */
export function clientOptions(config: Config, options: Options): ClientOptions {
  const machine = findMachineId(config.product, options.machineId);
  return {
    machineId: machine.id,
    isEphemeral: machine.isEphemeral,
    instanceId: checkInstanceId(options.instanceId ?? null, machine.id),
    machineName: options.machineName === undefined ? defaultMachineName() : options.machineName,
    appVersion: options.appVersion ?? null,
    os: options.os === undefined ? describeSystem() : options.os,
    hostname: options.hostname ?? null,
    keepLicenseKey: options.keepLicenseKey ?? true,
    storageName: options.storage ? "of the app" : (options.folder ?? defaultFolder(config.product) ?? "none"),
  };
}

/** Returns the storage. Without a folder nothing can be written, and the client keeps everything in memory. */
export function findStorage(config: Config, options: Options): Storage {
  if (options.storage) return options.storage;
  const folder = options.folder ?? defaultFolder(config.product);
  return folder === null ? noStorage : new FileStorage(folder);
}

/** Returns the options of the transport, with defaults. Throws if one is not valid. */
export function httpOptions(config: Config, options: Options): HttpOptions {
  return {
    apiUrl: config.apiUrl,
    proxy: checkProxy(options.proxy ?? null),
    ca: checkCertificates(options.ca ?? []),
    userAgent: `signet-client-node/${VERSION}${checkUserAgent(options.userAgentSuffix ?? null)}`,
    connectTimeoutSeconds: checkTimeout("connectTimeoutSeconds", options.connectTimeoutSeconds ?? 10),
    timeoutSeconds: checkTimeout("timeoutSeconds", options.timeoutSeconds ?? 30),
  };
}

function findMachineId(product: string, option: Options["machineId"]): MachineId {
  if (option === undefined) return deriveMachineId(product, systemMachine);
  return { id: checkMachineId(typeof option === "function" ? callProvider(option) : option), isEphemeral: false };
}

function callProvider(provider: () => string): string {
  try {
    return provider();
  } catch (cause) {
    throw invalidOption("machineId", "must be a function that returns an id, but it failed", { cause });
  }
}

const noStorage: Storage = {
  read: () => null,
  write: () => {
    throw new Error("there is no folder");
  },
  remove: () => {},
};
