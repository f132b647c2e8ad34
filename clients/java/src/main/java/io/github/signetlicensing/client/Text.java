package io.github.signetlicensing.client;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Limits texts that are sent, shown or logged. */
final class Text {
  /** Control, format, private and unassigned characters, separators of lines, and fillers. */
  private static final String INVISIBLE =
      "[\\p{C}\\p{Zl}\\p{Zp}\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u3164\\uffa0]";

  /** Types of exceptions that say nothing. */
  private static final Set<String> SILENT_TYPES =
      Set.of("IOException", "CancelledException", "ClosedException");

  private Text() {}

  /** Returns the number of bytes in UTF-8. */
  static int length(String text) {
    return text.getBytes(StandardCharsets.UTF_8).length;
  }

  /**
   * Returns whether a text is an id: 1 to {@code maxBytes} bytes of UTF-8 without control
   * characters.
   */
  static boolean isId(String text, int maxBytes) {
    return !text.isEmpty()
        && length(text) <= maxBytes
        && text.codePoints().noneMatch(Character::isISOControl)
        && StandardCharsets.UTF_8.newEncoder().canEncode(text);
  }

  /**
   * Returns the visible characters of a text, cut to {@code maxBytes} bytes, or nothing if none is
   * left.
   */
  static Optional<String> cut(String text, int maxBytes) {
    String visible = text.replaceAll(INVISIBLE, "").strip();
    int end = 0;
    int bytes = 0;
    while (end < visible.length()) {
      String next = Character.toString(visible.codePointAt(end));
      bytes += length(next);
      if (bytes > maxBytes) break;
      end += next.length();
    }
    return Optional.of(visible.substring(0, end).strip()).filter(rest -> !rest.isEmpty());
  }

  /** Returns at most 300 characters of a text, with spaces instead of control characters. */
  static String line(String text) {
    return line(text, 300);
  }

  private static String line(String text, int maxLength) {
    String line = text.replaceAll("[\\p{Cc}\\p{Zl}\\p{Zp}]", " ").strip();
    return line.codePointCount(0, line.length()) <= maxLength
        ? line
        : line.substring(0, line.offsetByCodePoints(0, maxLength));
  }

  /** Returns the code of a product for a message. That of a token can be any text. */
  static String quoteProduct(String code) {
    return '"' + line(code, 100) + '"';
  }

  /**
   * Describes an exception: its type and its message, or the types of its causes up to the first
   * one that has a message. A type that says nothing is left out.
   */
  static String describe(Throwable error) {
    List<String> parts = new ArrayList<>();
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      String type = cause.getClass().getSimpleName();
      if (!SILENT_TYPES.contains(type) && !parts.contains(type)) parts.add(type);
      if (cause.getMessage() == null || cause.getMessage().isBlank()) continue;
      parts.add(cause.getMessage());
      break;
    }
    return String.join(": ", parts);
  }
}
