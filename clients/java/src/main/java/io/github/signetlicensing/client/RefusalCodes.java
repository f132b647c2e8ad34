package io.github.signetlicensing.client;

import java.util.Set;

/**
 * What the codes of problems mean. A problem with any other code says nothing about the license.
 */
final class RefusalCodes {
  /** The license must not be used. */
  private static final Set<String> LICENSE =
      Set.of(
          "revoked",
          "superseded",
          "suspended",
          "expired",
          "product_inactive",
          "generation_outdated");

  /** The machine has lost its seat, or its token is not accepted any more. */
  private static final Set<String> SEAT_LOST =
      Set.of("not_activated", "token_invalid", "machine_mismatch");

  /** The license key is one of another product. This code is not from the API. */
  static final String WRONG_PRODUCT = "wrong_product";

  /** What a request is about does not exist. */
  static final String NOT_FOUND = "not_found";

  /** The license key is not one of this product. */
  private static final Set<String> KEY = Set.of(NOT_FOUND, WRONG_PRODUCT);

  private static final String SEAT_LIMIT = "seat_limit_reached";

  /** Refusals that can end without another license key. */
  private static final Set<String> TEMPORARY =
      Set.of(SEAT_LIMIT, "suspended", "expired", "product_inactive");

  private RefusalCodes() {}

  static boolean isSeatLost(String code) {
    return SEAT_LOST.contains(code);
  }

  static boolean refusesHeartbeat(String code) {
    return LICENSE.contains(code) || SEAT_LOST.contains(code);
  }

  static boolean refusesActivation(String code) {
    return refusesHeartbeat(code) || refusesKey(code) || code.equals(SEAT_LIMIT);
  }

  /** Returns whether the license key is none of this product: the user mistyped it, for example. */
  static boolean refusesKey(String code) {
    return KEY.contains(code);
  }

  /** Returns whether a seat can become free at a time that the API says. */
  static boolean hasRetryTime(String code) {
    return code.equals(SEAT_LIMIT);
  }

  /** Returns whether the license key is stored although an activation was refused. */
  static boolean keepsLicenseKey(String code) {
    return TEMPORARY.contains(code);
  }

  /** Returns whether the background task activates again. */
  static boolean isRetried(String code) {
    return TEMPORARY.contains(code) || SEAT_LOST.contains(code);
  }

  /**
   * Returns whether a seat stays with the machine until a fixed time, so that its token is kept.
   */
  static boolean keepsSeat(String code) {
    return code.equals("offline_activation") || code.equals("borrow_return_limit");
  }
}
