import { createHash, randomBytes } from "node:crypto";

/** What the machine id is derived from. */
export interface MachineSource {
  /** `linux`, `darwin`, `win32`, or another value of `process.platform`. */
  platform: string;
  environment: Record<string, string | undefined>;
  /** Returns the text of a file, or null. */
  readFile(path: string): string | null;
  /** Returns whether a file exists. */
  exists(path: string): boolean;
  /** Returns the output of a program, or an empty text. */
  run(program: string, args: string[]): string;
}

/** An id of a machine. */
export interface MachineId {
  id: string;
  /** True for a random id that lasts as long as the process. */
  isEphemeral: boolean;
}

/** Variables that container runtimes and cloud functions set. */
const CONTAINER_VARIABLES = ["KUBERNETES_SERVICE_HOST", "container", "AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4"];

/** Derives the id of this machine for a product. It is ephemeral in a container, in a CI job, and without an identifier. */
export function deriveMachineId(product: string, source: MachineSource): MachineId {
  const identifier = isShared(source) ? null : readIdentifier(source);
  if (identifier === null) return ephemeralMachineId();
  const hash = createHash("sha256").update(`signet-machine-id/1\n${product}\n${identifier}`);
  return { id: hash.digest("hex"), isEphemeral: false };
}

/** Returns a random machine id. */
function ephemeralMachineId(): MachineId {
  return { id: `ephemeral-${randomBytes(16).toString("hex")}`, isEphemeral: true };
}

/** Returns whether the identifier is shared by many machines, or lasts for minutes. */
function isShared({ environment, exists }: MachineSource): boolean {
  if (exists("/.dockerenv") || exists("/run/.containerenv")) return true;
  if (environment.CI && environment.CI !== "false") return true;
  return CONTAINER_VARIABLES.some((name) => environment[name]);
}

/** Returns the identifier of the operating system's installation, or null. */
function readIdentifier(source: MachineSource): string | null {
  const candidates = identifierCandidates(source).map((text) => text?.trim().toLowerCase());
  return candidates.find((text) => text && text !== "uninitialized") ?? null;
}

function identifierCandidates({ platform, environment, readFile, run }: MachineSource): (string | null | undefined)[] {
  if (platform === "darwin") {
    const output = run("/usr/sbin/ioreg", ["-rd1", "-c", "IOPlatformExpertDevice"]);
    return [/"IOPlatformUUID"\s*=\s*"([^"]*)"/.exec(output)?.[1]];
  }
  if (platform === "win32") {
    const program = `${environment.SystemRoot ?? "C:\\Windows"}\\System32\\reg.exe`;
    const key = "HKLM\\SOFTWARE\\Microsoft\\Cryptography";
    const output = run(program, ["query", key, "/v", "MachineGuid", "/reg:64"]);
    return [/MachineGuid\s+REG_SZ\s+(\S+)/.exec(output)?.[1]];
  }
  return [readFile("/etc/machine-id"), readFile("/var/lib/dbus/machine-id")];
}
