package io.github.signetlicensing.client;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** A storage in memory, whose writes can fail. */
final class MemoryStorage implements Storage {
  private final Map<String, String> files = new ConcurrentHashMap<>();
  boolean isReadOnly;

  /** Returns the text of a file, or null. */
  String text(String name) {
    return files.get(name);
  }

  /** Changes a file from outside of the client; null removes it. */
  void set(String name, String text) {
    if (text == null) files.remove(name);
    else files.put(name, text);
  }

  @Override
  public Optional<byte[]> read(String name) {
    return Optional.ofNullable(files.get(name)).map(text -> text.getBytes(StandardCharsets.UTF_8));
  }

  @Override
  public void write(String name, byte[] content) throws IOException {
    if (isReadOnly) throw new IOException("read-only");
    files.put(name, new String(content, StandardCharsets.UTF_8));
  }

  @Override
  public void remove(String name) throws IOException {
    if (isReadOnly) throw new IOException("read-only");
    files.remove(name);
  }
}
