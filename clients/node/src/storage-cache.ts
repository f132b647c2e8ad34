import type { Storage } from "./storage.js";

/**
 * Reads and writes texts in a storage, and never throws.
 *
 * A text that cannot be written is kept in memory from then on, and not read from the storage any more. The same holds for
 * the names that belong to this process.
 */
export class StorageCache {
  readonly #memory = new Map<string, string | null>();

  constructor(
    private readonly storage: Storage,
    private readonly privateNames: readonly string[],
  ) {
    for (const name of privateNames) this.#memory.set(name, null);
  }

  /** Names that could not be written. */
  get unwritableNames(): string[] {
    return [...this.#memory.keys()].filter((name) => !this.privateNames.includes(name));
  }

  read(name: string): string | null {
    const cached = this.#memory.get(name);
    if (cached !== undefined) return cached;
    try {
      const content = this.storage.read(name);
      return content === null ? null : new TextDecoder().decode(content);
    } catch {
      return null;
    }
  }

  write(name: string, text: string): void {
    this.#change(name, text, () => this.storage.write(name, new TextEncoder().encode(text)));
  }

  remove(name: string): void {
    this.#change(name, null, () => this.storage.remove(name));
  }

  #change(name: string, text: string | null, change: () => void): void {
    if (!this.privateNames.includes(name)) {
      try {
        change();
        if (!this.#memory.has(name)) return;
      } catch {
        // Kept in memory below.
      }
    }
    this.#memory.set(name, text);
  }
}
