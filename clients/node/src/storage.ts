/**
 * Stores small files by name. A method that throws counts as a file that cannot be read or written.
 *
 * Replace it with `options.storage` to keep the files somewhere else than in a folder.
 */
export interface Storage {
  /** Returns the content, or null if there is none. */
  read(name: string): Uint8Array | null;
  /** Replaces the content atomically. */
  write(name: string, content: Uint8Array): void;
  /** Removes the content. It is no error if there is none. */
  remove(name: string): void;
}
