use std::{error::Error as StdError, fmt, sync::Arc};

/// What an error was caused by.
pub(crate) type Cause = Arc<dyn StdError + Send + Sync>;

/// An operation failed. [`code`](Error::code) is stable. `Display` is one line for people, which may change: what failed, then what
/// the API says about it, or why there was no response. It contains no license key and no token.
///
/// If there was no response, [`source`](StdError::source) is the error of the HTTP library. `Display` contains its text.
///
/// | code | meaning |
/// | --- | --- |
/// | `unreachable` | no usable response of the API. The app can try again |
/// | `wrong_product` | the license key is for another product |
/// | `license_file_invalid` | the license file is not valid for this product and this machine, has ended, or is older than the present token; `Display` says which |
/// | `not_activated` | there is no token, for example no seat to borrow |
/// | `ephemeral_machine_id` | [`License::offline_request`](crate::License::offline_request), [`License::borrow`](crate::License::borrow): the machine id lasts only as long as this process |
/// | `invalid_value` | an argument is not valid, such as a time in the past or a license key of another format |
/// | `invalid_config` | [`License::open`](crate::License::open): the configuration or an option is not valid |
/// | `closed` | [`License::close`](crate::License::close) was called before, or during the operation |
/// | others | [error codes](https://github.com/signet-licensing/signet/blob/main/docs/reference/error-codes.md) of the API, such as `revoked`, `seat_limit_reached` or `borrow_not_allowed` |
#[derive(Debug, Clone)]
pub struct Error {
    code: String,
    message: String,
    cause: Option<Cause>,
}

impl Error {
    /// Returns the stable code of the error.
    pub fn code(&self) -> &str {
        &self.code
    }

    fn new(code: &str, message: impl fmt::Display) -> Self {
        Self { code: code.to_owned(), message: message.to_string(), cause: None }
    }

    /// An operation failed. `what` says what failed, and `why` why.
    pub(crate) fn failed(what: &str, code: &str, why: &str, cause: Option<Cause>) -> Self {
        Self { cause, ..Self::new(code, format_args!("{what}: {why}")) }
    }

    /// A refusal is stored.
    pub(crate) fn refused(what: &str, code: &str) -> Self {
        Self::failed(what, code, code, None)
    }

    pub(crate) fn not_activated(what: &str) -> Self {
        Self::failed(what, "not_activated", "this machine holds no seat", None)
    }

    pub(crate) fn closed() -> Self {
        Self::new("closed", "the license was closed")
    }

    pub(crate) fn invalid_value(what: &str, reason: &str) -> Self {
        Self::failed(what, "invalid_value", reason, None)
    }

    pub(crate) fn ephemeral_machine_id(what: &str) -> Self {
        let reason = "the machine id lasts only as long as this process: give a machine_id that stays the same";
        Self::failed(what, "ephemeral_machine_id", reason, None)
    }

    pub(crate) fn invalid_config(reason: impl fmt::Display) -> Self {
        Self::new("invalid_config", format_args!("invalid configuration: {reason}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(|cause| &**cause as &(dyn StdError + 'static))
    }
}
