import type { ClientRequest } from "node:http";
import { Socket } from "node:net";

const CHECK_INTERVAL_MS = 200;
/** Types of resources that do not keep a process running by themselves: output that is open, and our connection. */
const IDLE_RESOURCES = ["ConnectWrap", "PipeWrap", "TTYWrap"];

/** Functions of Node that its type definitions lack. */
interface ActiveResources {
  getActiveResourcesInfo?: () => string[];
  _getActiveHandles?: () => unknown[];
}

/**
 * Cancels a request when the attempt to connect is all that keeps the process from exiting.
 *
 * A connection that is not established yet keeps Node running although its socket is unref'd. Electron has its own loop, and
 * exits without waiting.
 */
export function abortWhenAlone(request: ClientRequest): void {
  if (process.versions.electron !== undefined) return;
  const timer = setInterval(() => isOnlyConnecting() && request.destroy(), CHECK_INTERVAL_MS);
  timer.unref();
  for (const event of ["response", "connect", "close"]) request.once(event, () => clearInterval(timer));
}

/** Returns whether nothing is open but idle standard streams and connections that are not established. */
function isOnlyConnecting(): boolean {
  const node = process as ActiveResources;
  const resources = node.getActiveResourcesInfo?.() ?? ["unknown"];
  if (!resources.every((type) => IDLE_RESOURCES.includes(type))) return false;
  const handles = node._getActiveHandles?.() ?? ["unknown"];
  return handles.every((handle) => handle instanceof Socket && (!handle.readable || handle.readableFlowing === null));
}
