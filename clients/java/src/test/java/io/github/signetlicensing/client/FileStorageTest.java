package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileStorageTest {
  @TempDir Path directory;

  @Test
  void the_folder_and_its_files_belong_to_the_user_only() throws IOException {
    Path folder = directory.resolve("new/folder");
    new FileStorage(folder).write("token.json", new byte[] {1});
    assertEquals("rwx------", permissions(folder));
    assertEquals("rw-------", permissions(folder.resolve("token.json")));
  }

  @Test
  void a_reader_sees_a_whole_file_while_it_is_replaced() throws Exception {
    FileStorage storage = new FileStorage(directory);
    storage.write("file", filled(0));
    CompletableFuture<Void> writer =
        CompletableFuture.runAsync(
            () -> {
              for (int round = 1; round < 100; round++) writeUnchecked(storage, round);
            });
    while (!writer.isDone()) {
      byte[] content = storage.read("file").orElseThrow();
      assertArrayEquals(filled(content[0]), content);
    }
    writer.get();
    assertEquals(List.of("file"), names());
  }

  @Test
  void a_write_that_fails_keeps_the_old_content_and_leaves_no_temporary_file() throws IOException {
    Files.createDirectories(directory.resolve("file/is-a-folder"));
    FileStorage storage = new FileStorage(directory);
    assertThrows(IOException.class, () -> storage.write("file", new byte[] {1}));
    assertEquals(List.of("file"), names());
    assertTrue(Files.isDirectory(directory.resolve("file/is-a-folder")));
  }

  @Test
  void a_rename_is_tried_again_while_another_process_has_the_file_open() throws IOException {
    AtomicInteger tries = new AtomicInteger();
    Uninterrupted.Action<String> rename =
        () -> {
          if (tries.incrementAndGet() == 1) throw new AccessDeniedException("file");
          if (tries.get() < 20) throw new FileSystemException("file", null, "sharing violation");
          return "renamed";
        };
    assertEquals("renamed", FileStorage.retryWhileBusy(rename));
    tries.set(-1);
    assertThrows(FileSystemException.class, () -> FileStorage.retryWhileBusy(rename));
    assertEquals(19, tries.get());
  }

  @Test
  void a_rename_that_fails_for_another_reason_is_not_tried_again() {
    AtomicInteger tries = new AtomicInteger();
    Uninterrupted.Action<String> rename =
        () -> {
          tries.incrementAndGet();
          throw new NoSuchFileException("file");
        };
    assertThrows(NoSuchFileException.class, () -> FileStorage.retryWhileBusy(rename));
    assertEquals(1, tries.get());
  }

  @Test
  void a_missing_file_is_absent_and_can_be_removed() throws IOException {
    FileStorage storage = new FileStorage(directory.resolve("missing"));
    storage.remove("file");
    assertEquals(Optional.empty(), storage.read("file"));
  }

  @Test
  void an_interrupted_thread_reads_and_writes() throws IOException {
    FileStorage storage = new FileStorage(directory);
    Thread.currentThread().interrupt();
    storage.write("file", new byte[] {1});
    assertTrue(storage.read("file").isPresent());
    assertTrue(Thread.interrupted());
  }

  @Test
  void default_folders_are_those_of_the_system() {
    Path home = Path.of("/home/ada");
    assertEquals(home.resolve(".local/share/signet/atlas"), folder("linux", Map.of(), home));
    assertEquals(
        Path.of("/data/signet/atlas"), folder("linux", Map.of("XDG_DATA_HOME", "/data"), home));
    assertEquals(
        home.resolve(".local/share/signet/atlas"),
        folder("linux", Map.of("XDG_DATA_HOME", "relative"), home));
    assertEquals(
        home.resolve("Library/Application Support/signet/atlas"), folder("macos", Map.of(), home));
    assertEquals(
        Path.of("/local/signet/atlas"), folder("windows", Map.of("LOCALAPPDATA", "/local"), home));
  }

  private static Path folder(String system, Map<String, String> environment, Path home) {
    return FileStorage.defaultFolder("atlas", system, environment, home);
  }

  private static byte[] filled(int value) {
    byte[] content = new byte[100_000];
    Arrays.fill(content, (byte) value);
    return content;
  }

  private static void writeUnchecked(FileStorage storage, int value) {
    try {
      storage.write("file", filled(value));
    } catch (IOException error) {
      throw new IllegalStateException(error);
    }
  }

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.map(file -> file.getFileName().toString()).collect(Collectors.toList());
    }
  }

  private static String permissions(Path path) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
  }
}
