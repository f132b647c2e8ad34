package io.github.signetlicensing.client;

import java.util.List;
import java.util.Optional;

/** What a client reads of the machine. */
interface Host {
  /** Returns {@code linux}, {@code macos}, {@code windows}, or the name of another system. */
  String system();

  /** Returns the text of a file, empty if it exists and cannot be read. */
  Optional<String> file(String path);

  /** Returns an environment variable. */
  Optional<String> variable(String name);

  /** Returns what a command prints, empty if it fails. */
  String output(List<String> command);
}
