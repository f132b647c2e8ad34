/**
 * The error of every operation. Decide by `code`:
 *
 * - `invalid_config`: the configuration has no root key, no product, no issuer, or a URL that is not allowed
 * - `unreachable`: the API could not be reached, or its response is no answer about the license
 * - `license_file_invalid`: the license file is not valid for this app and this machine, or older than the present one
 * - `not_activated`: there is no seat that could be borrowed
 * - `closed`: the license was closed
 * - any other code: the API refused, for example `seat_limit_reached`, `expired` or `not_found`
 */
export class SignetError extends Error {
  override readonly name = "SignetError";

  constructor(
    /** A stable code. */
    readonly code: string,
    message = code,
  ) {
    super(message);
  }
}
