/** What the app says of the machine. A field that is null is not sent. */
export interface MachineFacts {
  machineId: string;
  instanceId: string | null;
  machineName: string | null;
  appVersion: string | null;
  os: string | null;
  hostname: string | null;
}

/** The lengths that the API allows, in bytes of UTF-8. */
const MAX_BYTES = { machineName: 100, appVersion: 32, os: 64, hostname: 64 } as const;
/** Control and invisible characters, which the API refuses. Variation selectors choose the shape of an emoji. */
const INVISIBLE = /(?!\p{Variation_Selector})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Returns the texts about the machine without control and invisible characters, and cut to the lengths that the API allows. */
export function cutTexts({ machineName, appVersion, os, hostname }: MachineFacts): Pick<MachineFacts, keyof typeof MAX_BYTES> {
  return {
    machineName: cut(machineName, MAX_BYTES.machineName),
    appVersion: cut(appVersion, MAX_BYTES.appVersion),
    os: cut(os, MAX_BYTES.os),
    hostname: cut(hostname, MAX_BYTES.hostname),
  };
}

/** Returns the visible characters of a text up to a number of bytes, or null if none is left. */
function cut(text: string | null, maxBytes: number): string | null {
  if (text === null) return null;
  let bytes = 0;
  let end = 0;
  // An app in JavaScript can pass any value.
  const visible = String(text).replace(INVISIBLE, "").trim();
  for (const char of visible) {
    bytes += Buffer.byteLength(char);
    if (bytes > maxBytes) break;
    end += char.length;
  }
  return visible.slice(0, end).trim() || null;
}
