import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "./replace-file.js";
import type { Storage } from "./storage.js";

/** Keeps each file in a folder, which is created with mode 0700. Several processes can share it. */
export class FileStorage implements Storage {
  constructor(private readonly folder: string) {}

  read(name: string): Uint8Array | null {
    try {
      return readFileSync(join(this.folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  /** Replaces a file atomically: readers see the former content or the new one, also after a power failure. */
  write(name: string, content: Uint8Array): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const temporary = join(this.folder, `.${name}.${randomUUID()}`);
    try {
      writeAndFlush(temporary, content);
      replaceFile(temporary, join(this.folder, name));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  remove(name: string): void {
    rmSync(join(this.folder, name), { force: true });
  }
}

function writeAndFlush(path: string, content: Uint8Array): void {
  const file = openSync(path, "wx", 0o600);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
