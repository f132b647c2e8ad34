import type { Storage } from "./storage.js";

/** Options of `open`. Every option has a default. */
export interface Options {
  /** Folder for the files. Default: `signet/PRODUCT` in the user's data folder. */
  folder?: string;
  /** Keeps the files somewhere else than in a folder. */
  storage?: Storage;
  /**
   * Id of the machine, or a function that returns it: 1 to 256 bytes without control characters, which stay the same. Default: derived from that of
   * the operating system's installation. Put the product into an id of your own, because a seat belongs to a license and a machine id.
   */
  machineId?: string | (() => string);
  /**
   * Id of the process, for floating licenses: 1 to 64 bytes without control characters. Unique among the running processes of the machine, such as a
   * random UUID.
   */
  instanceId?: string;
  /** Name of the machine for people. It and the next three are cut to 100, 32, 64 and 64 bytes, without control and invisible characters. Default: the host name. Null: none. */
  machineName?: string | null;
  /** Version of the app. Default: not sent. */
  appVersion?: string | null;
  /** Operating system. Default: such as `linux x86_64`. Null: not sent. */
  os?: string | null;
  /** Host name. Default: not sent. */
  hostname?: string | null;
  /** Whether the license key is stored, so that the app can activate again without its user. Default: true. If false, `open` removes one that is stored. */
  keepLicenseKey?: boolean;
  /** URL of an HTTP proxy, http or https. Default: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, except for a loopback host. */
  proxy?: string;
  /** Certificates of certificate authorities in PEM, trusted besides those of Node and of the system. */
  ca?: string | Uint8Array | (string | Uint8Array)[];
  /** Time to connect, in seconds, more than 0. Default: 10. */
  connectTimeoutSeconds?: number;
  /** Time for a whole request, in seconds, more than 0. Default: 30. */
  timeoutSeconds?: number;
  /** Text that is added to the header `User-Agent`, such as `atlas/4.2.0`: Latin-1 without control characters. */
  userAgentSuffix?: string;
}
