//! Sets of problem codes, from which the OpenAPI document lists the error responses of each endpoint:
//! `responses((status = 200, …), Errors, LicenseTokenErrors)`. Each type is a set of codes. The codes of one endpoint
//! alone are a set next to its handler. Codes that follow from a rule, such as 401 and 403 from `security`, belong to no
//! set: the generator of the document adds them.
//!
//! Several codes can share one status, and utoipa keeps one response per status. A set therefore uses its codes as
//! keys, and the generator merges the codes of each status.

use std::collections::BTreeMap;

use utoipa::openapi::{RefOr, Response};

use crate::http::Code;

/// Defines sets of codes as types that `#[utoipa::path(responses(…))]` accepts.
#[macro_export]
macro_rules! error_responses {
    ($($(#[$about:meta])* $visibility:vis $name:ident: $($code:ident)+;)+) => {$(
        $(#[$about])*
        #[derive(Debug)]
        $visibility enum $name {}

        impl ::utoipa::IntoResponses for $name {
            fn responses() -> ::std::collections::BTreeMap<
                ::std::string::String,
                ::utoipa::openapi::RefOr<::utoipa::openapi::Response>,
            > {
                $crate::http::responses::by_code(&[$($crate::http::Code::$code),+])
            }
        }
    )+};
}

error_responses! {
    /// The endpoint reads a license key or token. Failed attempts count against the client's address.
    pub ThrottlingErrors: RateLimited;
    /// The endpoint requires a valid license token.
    pub LicenseTokenErrors: TokenInvalid;
    /// The endpoint requires a usable license.
    pub UnusableLicenseErrors: Revoked Superseded Suspended Expired ProductInactive GenerationOutdated;
}

/// Returns one response per code, with the code as its key.
pub fn by_code(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    codes.iter().map(|code| (code.to_string(), RefOr::T(Response::default()))).collect()
}
