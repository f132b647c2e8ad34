package io.github.signetlicensing.client;

import java.io.IOException;
import java.util.Optional;

/**
 * Stores a few small files for an app. {@link Options#folder} stores them in a folder; an app can
 * give its own.
 */
public interface Storage {
  /**
   * Reads a file.
   *
   * @param name the name, such as {@code token.json}
   * @return the content, or nothing if there is no such file
   * @throws IOException if the file cannot be read
   */
  Optional<byte[]> read(String name) throws IOException;

  /**
   * Creates or replaces a file. A reader sees the old or the new content, never a part.
   *
   * @param name the name
   * @param content the content
   * @throws IOException if the file cannot be written. The client then goes on in memory
   */
  void write(String name, byte[] content) throws IOException;

  /**
   * Removes a file. It may not exist.
   *
   * @param name the name
   * @throws IOException if the file cannot be removed
   */
  void remove(String name) throws IOException;
}
