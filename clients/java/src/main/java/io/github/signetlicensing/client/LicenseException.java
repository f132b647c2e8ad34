package io.github.signetlicensing.client;

/** An operation on a license failed. {@link #code} says why. */
public final class LicenseException extends Exception {
  private static final long serialVersionUID = 1L;

  static final String UNREACHABLE = "unreachable";
  static final String NOT_ACTIVATED = "not_activated";
  static final String LICENSE_FILE_INVALID = "license_file_invalid";
  static final String CONFIG_INVALID = "invalid_config";
  static final String CLOSED = "closed";

  /** The code. */
  private final String code;

  LicenseException(String code, String message) {
    super(message);
    this.code = code;
  }

  /** Returns the error of an operation that the API refused, or that did not reach it. */
  static LicenseException of(String code) {
    boolean isUnreachable = code.equals(UNREACHABLE);
    return new LicenseException(
        code, isUnreachable ? "the license server cannot be reached" : "refused: " + code);
  }

  /**
   * Returns why the operation failed: {@code unreachable}, {@code license_file_invalid}, {@code
   * invalid_config}, {@code not_activated}, {@code closed}, or the code of a problem of the API,
   * such as {@code seat_limit_reached}.
   *
   * @return a code that later versions do not change
   */
  public String code() {
    return code;
  }
}
