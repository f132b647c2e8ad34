import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { isAbsolute, join } from "node:path";
import type { MachineSource } from "./machine-id.js";
import type { TimeSource } from "./ports.js";

const PLATFORM_NAMES: Record<string, string> = { darwin: "macos", win32: "windows" };
const ARCHITECTURE_NAMES: Record<string, string> = { x64: "x86_64", arm64: "aarch64", ia32: "x86" };

/** The clocks of this machine. */
export const systemTime: TimeSource = {
  wall: () => Date.now() / 1000,
  monotonic: () => performance.now() / 1000,
};

/** This machine. */
export const systemMachine: MachineSource = {
  platform: process.platform,
  environment: process.env,
  exists: existsSync,
  readFile: (path) => attempt(() => readFileSync(path, "utf8")),
  run: (program, args) => attempt(() => execute(program, args)) ?? "",
};

/** Returns the system and the architecture, such as `linux x86_64`. */
export function describeSystem(): string {
  const { platform, arch } = process;
  return `${PLATFORM_NAMES[platform] ?? platform} ${ARCHITECTURE_NAMES[arch] ?? arch}`;
}

/** Returns the name of this machine, or null if it has none. */
export function defaultMachineName(): string | null {
  return hostname() || null;
}

/** Returns the folder for the files of a product in the user's data folder, or null if the user has none. */
export function defaultFolder(product: string): string | null {
  const base = attempt(dataFolder);
  return base && join(base, "signet", product);
}

function dataFolder(): string {
  const { XDG_DATA_HOME: xdg, LOCALAPPDATA: local } = process.env;
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support");
  if (process.platform === "win32") return local ?? join(homedir(), "AppData", "Local");
  return xdg && isAbsolute(xdg) ? xdg : join(homedir(), ".local", "share");
}

function execute(program: string, args: string[]): string {
  const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
  return execFileSync(program, args, { encoding: "utf8", timeout: 5_000, windowsHide: true, stdio });
}

function attempt<T>(action: () => T): T | null {
  try {
    return action();
  } catch {
    return null;
  }
}
