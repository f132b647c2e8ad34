package io.github.signetlicensing.client;

/**
 * An operation on a license failed. {@link #code} says why, and {@link #getMessage} in one line
 * what failed and how. Neither has the license key or a token. If there was no response, {@link
 * #getCause} is the exception of the connection.
 */
public final class LicenseException extends Exception {
  private static final long serialVersionUID = 1L;

  static final String UNREACHABLE = "unreachable";
  static final String NOT_ACTIVATED = "not_activated";
  static final String VALUE_INVALID = "invalid_value";
  static final String LICENSE_FILE_INVALID = "license_file_invalid";
  static final String MACHINE_ID_EPHEMERAL = "ephemeral_machine_id";
  static final String CONFIG_INVALID = "invalid_config";
  static final String CLOSED = "closed";

  /** The code. */
  private final String code;

  LicenseException(String code, String message) {
    super(message);
    this.code = code;
  }

  LicenseException(String code, String message, Throwable cause) {
    super(message, cause);
    this.code = code;
  }

  /**
   * Returns the error of an operation that the API refused, that did not reach it, or that ended
   * because the client was closed.
   *
   * @param what what failed, such as {@code the license key was not activated}
   */
  static LicenseException of(String what, Failure failure) {
    String code = failure.reply.isClosed() ? CLOSED : failure.code.orElse(UNREACHABLE);
    return new LicenseException(code, what + ": " + failure.detail, failure.reply.failure());
  }

  /** Returns the error of an operation that needs a machine id that stays the same. */
  static LicenseException ephemeral(String what) {
    return new LicenseException(
        MACHINE_ID_EPHEMERAL,
        what
            + ": the machine id is random, as in a container, and ends with the process: set the"
            + " option machineId to an id that stays the same");
  }

  /** Returns the error of an option or an app file that is not valid. */
  static LicenseException invalidConfig(String message) {
    return new LicenseException(CONFIG_INVALID, message);
  }

  /**
   * Returns why the operation failed: {@code unreachable}, {@code license_file_invalid}, {@code
   * ephemeral_machine_id}, {@code invalid_config}, {@code invalid_value}, {@code not_activated},
   * {@code closed}, {@code wrong_product}, or the code of a problem of the API, such as {@code
   * seat_limit_reached}.
   *
   * @return a code that later versions do not change
   */
  public String code() {
    return code;
  }
}
