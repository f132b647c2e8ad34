/** Returns a state in the form of the conformance suite. */
export function stateAsJson(state) {
  const seconds = (date) => date && date.getTime() / 1000;
  switch (state.name) {
    case "Active": {
      const { until, inGrace, graceEndsAt } = state;
      return { state: state.name, until: seconds(until), in_grace: inGrace, grace_ends_at: seconds(graceEndsAt) };
    }
    case "Offline":
      return { state: state.name, until: seconds(state.until), reason: state.reason };
    case "Expired":
      return { state: state.name, since: seconds(state.since) };
    case "Refused":
      return { state: state.name, code: state.code, retry_at: seconds(state.retryAt) };
    case "Unactivated":
      return { state: state.name, has_license_key: state.hasLicenseKey, reason: state.reason };
    default:
      return { state: state.name };
  }
}
