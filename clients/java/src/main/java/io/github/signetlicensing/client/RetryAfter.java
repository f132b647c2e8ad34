package io.github.signetlicensing.client;

import java.time.DateTimeException;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;

/** Reads the header {@code Retry-After} (RFC 9110). */
final class RetryAfter {
  /** The longest delay that is honored: a day. */
  private static final double MAX_DELAY = 86_400;

  private RetryAfter() {}

  /** Returns the delay in seconds, 0 if the text is neither a number of seconds nor a date. */
  static double parse(String text, double now) {
    String value = text.strip();
    if (value.matches("[0-9]{1,18}")) return Math.min(Long.parseLong(value), MAX_DELAY);
    try {
      long date = ZonedDateTime.parse(value, DateTimeFormatter.RFC_1123_DATE_TIME).toEpochSecond();
      return Math.min(Math.max(date - now, 0), MAX_DELAY);
    } catch (DateTimeException noDate) {
      return 0;
    }
  }
}
