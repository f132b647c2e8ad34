/**
 * The error of every operation. Decide by `code`:
 *
 * - `invalid_config`: the configuration or an option is not valid; the message names it
 * - `unreachable`: the API could not be reached, or its response is no answer about the license
 * - `invalid_value`: a time until which a seat is borrowed is not in the future, or the API did not accept a value
 * - `license_file_invalid`: the license file is not valid for this app and this machine, or older than the present one; the message says why
 * - `ephemeral_machine_id`: a license file and a borrowed seat need a machine id that stays the same
 * - `not_activated`: there is no seat that could be borrowed
 * - `closed`: the license was closed
 * - `wrong_product`: the license key is one of another product
 * - any other code: the API refused, for example `seat_limit_reached`, `expired` or `not_found`
 *
 * The message is one line for logs and support, without license keys and tokens. After a request without a response, `cause` is the error of the
 * HTTP client.
 */
export class SignetError extends Error {
  override readonly name = "SignetError";

  constructor(
    /** A stable code. */
    readonly code: string,
    message = code,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
