package io.github.signetlicensing.client;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListSet;

/**
 * The files of a client. One that cannot be written is kept in memory from then on, and not read
 * any more.
 */
final class Store {
  static final String TOKEN = "token.json";
  static final String KEYS = "keys.jwt";
  static final String REFUSAL = "refusal.json";
  static final String CLOCK = "clock.json";
  static final String LICENSE_KEY = "license-key";

  private final Storage storage;
  private final boolean keepsLicenseKey;

  /** Contents of the files that are kept in memory. */
  private final Map<String, Optional<String>> memory = new ConcurrentHashMap<>();

  /** Names of the files that could not be written. */
  private final Set<String> unwritable = new ConcurrentSkipListSet<>();

  /** Opens a storage. Removes a license key that is stored and shall not be. */
  Store(Storage storage, Identity identity, boolean keepsLicenseKey) {
    this.storage = storage;
    this.keepsLicenseKey = keepsLicenseKey;
    if (identity.releasesAtClose()) {
      memory.put(TOKEN, Optional.empty());
      memory.put(REFUSAL, Optional.empty());
    }
    if (!keepsLicenseKey) {
      if (read(LICENSE_KEY).isPresent()) remove(LICENSE_KEY);
      memory.put(LICENSE_KEY, Optional.empty());
    }
  }

  /** Returns the text of a file, or nothing if it is missing or cannot be read. */
  Optional<String> read(String name) {
    Optional<String> kept = memory.get(name);
    if (kept != null) return kept;
    try {
      return storage.read(name).map(bytes -> new String(bytes, StandardCharsets.UTF_8));
    } catch (IOException | RuntimeException unreadable) {
      return Optional.empty();
    }
  }

  void write(String name, String text) {
    if (!memory.containsKey(name)) {
      try {
        storage.write(name, text.getBytes(StandardCharsets.UTF_8));
        return;
      } catch (IOException | RuntimeException failure) {
        unwritable.add(name);
      }
    }
    memory.put(name, Optional.of(text));
  }

  void writeLicenseKey(String licenseKey) {
    if (keepsLicenseKey) write(LICENSE_KEY, licenseKey);
  }

  void remove(String name) {
    if (!memory.containsKey(name)) {
      try {
        storage.remove(name);
        return;
      } catch (IOException | RuntimeException failure) {
        unwritable.add(name);
      }
    }
    memory.put(name, Optional.empty());
  }

  /** Returns the place of the files and the names of those that cannot be written, for support. */
  String location() {
    String place = storage instanceof FileStorage ? storage.toString() : "of the app";
    return unwritable.isEmpty()
        ? place
        : place + ", not writable: " + String.join(", ", unwritable);
  }

  /** Removes everything but the key set and the clock. */
  void clear() {
    for (String name : List.of(LICENSE_KEY, TOKEN, REFUSAL)) remove(name);
  }
}
