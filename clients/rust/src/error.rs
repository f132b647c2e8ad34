use std::fmt;

/// An operation failed. [`code`](Error::code) is stable; the text of `Display` is for people and may change.
///
/// | code | meaning |
/// | --- | --- |
/// | `unreachable` | no usable response of the API. The app can try again |
/// | `license_file_invalid` | the license file is not valid for this product and this machine, has ended, or is older than the present token |
/// | `not_activated` | there is no token, for example no seat to borrow |
/// | `invalid_config` | [`License::open`](crate::License::open): the configuration or an option is not valid |
/// | others | [error codes](https://github.com/signet-licensing/signet/blob/main/docs/reference/error-codes.md) of the API, such as `revoked`, `seat_limit_reached` or `borrow_not_allowed` |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: String,
    message: String,
}

impl Error {
    /// Returns the stable code of the error.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// An error code that the API returned.
    pub(crate) fn api(code: &str) -> Self {
        Self { code: code.to_owned(), message: format!("the license server refused the request: {code}") }
    }

    pub(crate) fn unreachable() -> Self {
        Self { code: "unreachable".into(), message: "the license server could not be reached".into() }
    }

    pub(crate) fn not_activated() -> Self {
        Self { code: "not_activated".into(), message: "this machine holds no seat".into() }
    }

    pub(crate) fn license_file_invalid(reason: &str) -> Self {
        Self { code: "license_file_invalid".into(), message: format!("invalid license file: {reason}") }
    }

    pub(crate) fn invalid_config(reason: impl fmt::Display) -> Self {
        Self { code: "invalid_config".into(), message: format!("invalid configuration: {reason}") }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
