package io.github.signetlicensing.client;

import io.github.signetlicensing.client.Uninterrupted.Action;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Optional;

/**
 * Stores files in a folder, which it creates. Only the user can read them. Several processes can
 * share the folder.
 */
final class FileStorage implements Storage {
  private static final boolean IS_POSIX =
      FileSystems.getDefault().supportedFileAttributeViews().contains("posix");

  private static final boolean IS_WINDOWS = File.separatorChar == '\\';

  /** How often Windows is asked to rename a file that another process has open. */
  private static final int MAX_RENAMES = 20;

  private static final long RENAME_PAUSE_MILLIS = 10;

  private final Path folder;

  FileStorage(Path folder) {
    this.folder = folder;
  }

  /** Returns the folder of a product below the user's data folder. */
  static Path defaultFolder(
      String product, String system, Map<String, String> environment, Path home) {
    return dataFolder(system, environment, home).resolve("signet").resolve(product);
  }

  private static Path dataFolder(String system, Map<String, String> environment, Path home) {
    if (system.equals("macos")) return home.resolve("Library/Application Support");
    boolean isWindows = system.equals("windows");
    String folder = environment.getOrDefault(isWindows ? "LOCALAPPDATA" : "XDG_DATA_HOME", "");
    if (!folder.isEmpty() && Path.of(folder).isAbsolute()) return Path.of(folder);
    return home.resolve(isWindows ? "AppData/Local" : ".local/share");
  }

  @Override
  public Optional<byte[]> read(String name) throws IOException {
    try {
      return Optional.of(Uninterrupted.perform(() -> Files.readAllBytes(folder.resolve(name))));
    } catch (NoSuchFileException absent) {
      return Optional.empty();
    }
  }

  @Override
  public void write(String name, byte[] content) throws IOException {
    Uninterrupted.perform(() -> replace(name, content));
  }

  /** Writes a temporary file in the same folder, flushes it, and renames it. */
  private Path replace(String name, byte[] content) throws IOException {
    Files.createDirectories(folder, permissions("rwx------"));
    Path temporary = Files.createTempFile(folder, name, ".tmp", permissions("rw-------"));
    try {
      try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
        ByteBuffer buffer = ByteBuffer.wrap(content);
        while (buffer.hasRemaining()) channel.write(buffer);
        channel.force(true);
      }
      Action<Path> rename =
          () -> Files.move(temporary, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE);
      return IS_WINDOWS ? retryWhileBusy(rename) : rename.perform();
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  /** Renames a file. Tries again while another process has it open, which Windows refuses. */
  static <T> T retryWhileBusy(Action<T> rename) throws IOException {
    for (int tries = 1; ; tries++) {
      try {
        return rename.perform();
      } catch (FileSystemException failure) {
        if (tries == MAX_RENAMES || !isBusy(failure)) throw failure;
      }
      try {
        Thread.sleep(RENAME_PAUSE_MILLIS);
      } catch (InterruptedException interrupt) {
        throw new ClosedByInterruptException(); // Uninterrupted writes the file again.
      }
    }
  }

  /** Returns whether access was denied, or a sharing violation, which has no type of its own. */
  private static boolean isBusy(FileSystemException failure) {
    return failure instanceof AccessDeniedException
        || failure.getClass() == FileSystemException.class;
  }

  @Override
  public void remove(String name) throws IOException {
    Files.deleteIfExists(folder.resolve(name));
  }

  private static FileAttribute<?>[] permissions(String text) {
    if (!IS_POSIX) return new FileAttribute<?>[0];
    return new FileAttribute<?>[] {
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(text))
    };
  }

  /** Returns the path of the folder. */
  @Override
  public String toString() {
    return folder.toString();
  }
}
