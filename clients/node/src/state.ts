/** No token is stored that is valid for this product and this machine. */
export interface Unactivated {
  readonly name: "Unactivated";
  readonly mayRun: false;
  /**
   * True if a license key is stored, also after `release`. The background task activates with it, or `refresh` does. If false, ask for a license
   * key or a license file.
   */
  readonly hasLicenseKey: boolean;
  /**
   * Why there is no token yet, if a license key is stored: `not_contacted`, `network`, `http_NNN` or `invalid_response`. The background task tries
   * again. Null without a license key.
   */
  readonly reason: string | null;
}

/** The license is valid. */
export interface Active {
  readonly name: "Active";
  readonly mayRun: true;
  /** Until when the present token lasts. The background task renews it before. */
  readonly until: Date;
  /** True while the license key has expired and is still honoured. Ask the user to renew it. */
  readonly inGrace: boolean;
  /** When that ends. */
  readonly graceEndsAt: Date | null;
}

/** The token has ended, and there is no newer one. The app may run until `until`, and says so. */
export interface Offline {
  readonly name: "Offline";
  readonly mayRun: true;
  readonly until: Date;
  /** Why there is no newer token: `not_contacted`, `network`, `http_NNN` or `invalid_response`. */
  readonly reason: string;
}

/** The API was not reached for too long. Ask the user to connect to the internet; `refresh` then asks the API. */
export interface Expired {
  readonly name: "Expired";
  readonly mayRun: false;
  /** Until when the app could run. */
  readonly since: Date;
}

/** The API refused the license. Show the reason for `code`. */
export interface Refused {
  readonly name: "Refused";
  readonly mayRun: false;
  /** The code of the API, such as `revoked`, `expired` or `seat_limit_reached`, or `wrong_product`. */
  readonly code: string;
  /** When a seat may become free. */
  readonly retryAt: Date | null;
}

/** The clock was set back by more than a day. Ask the user to set it, and to connect to the internet. */
export interface ClockTampered {
  readonly name: "ClockTampered";
  readonly mayRun: false;
}

/** What an app may do now. Decide by `mayRun`, and show what `name` says. `String(state)` is a text for logs. */
export type State = Unactivated | Active | Offline | Expired | Refused | ClockTampered;
