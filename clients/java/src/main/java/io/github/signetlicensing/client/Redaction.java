package io.github.signetlicensing.client;

import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

/** Replaces license keys and tokens in texts for people, because a response can repeat them. */
final class Redaction {
  private static final String REPLACEMENT = "…";

  /** Shorter texts are no secrets: a mistyped license key can be part of a word. */
  private static final int MIN_LENGTH = 8;

  private final List<String> secrets;

  Redaction(Collection<String> secrets) {
    // A secret can contain another one.
    this.secrets =
        secrets.stream()
            .filter(secret -> secret.codePointCount(0, secret.length()) >= MIN_LENGTH)
            .sorted(Comparator.comparing(String::length).reversed())
            .collect(Collectors.toList());
  }

  String apply(String text) {
    String shown = text;
    for (String secret : secrets) shown = shown.replace(secret, REPLACEMENT);
    return shown;
  }

  /** Returns a text without secrets as {@link Text#line} does. */
  String line(String text) {
    return Text.line(apply(text));
  }
}
