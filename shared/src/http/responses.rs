//! The problems that endpoints answer with, as their documentation lists them: `responses((status = 200, …), Known,
//! Scoped)`. Each type is a set of codes. An endpoint names the sets that apply to it, and beside its handler stands one
//! of what it alone refuses.
//!
//! Several codes may have one status, and utoipa keeps one response for each. So a set is told by its codes, and whoever
//! makes the document puts together what has the same status.

use std::collections::BTreeMap;

use utoipa::openapi::{RefOr, Response};

use crate::domain::Code;

/// Names sets of codes, as types that `#[utoipa::path(responses(…))]` takes.
#[macro_export]
macro_rules! problems {
    ($($(#[$about:meta])* $visibility:vis $name:ident: $($code:ident)+;)+) => {$(
        $(#[$about])*
        #[derive(Debug)]
        $visibility enum $name {}

        impl ::utoipa::IntoResponses for $name {
            fn responses() -> ::std::collections::BTreeMap<
                ::std::string::String,
                ::utoipa::openapi::RefOr<::utoipa::openapi::Response>,
            > {
                $crate::http::responses::by_code(&[$($crate::domain::Code::$code),+])
            }
        }
    )+};
}

problems! {
    /// Something that we need does not answer, or the fault is ours.
    pub ServerErrors: Unavailable InternalError;
    /// The caller must say who it is; what does not hold is counted by its address.
    pub Authenticated: Unauthenticated RateLimited;
    /// The caller must be allowed to do this.
    pub Authorized: Forbidden;
    /// The path names one thing.
    pub PathLookup: NotFound;
    /// `If-Match` is honoured.
    pub Conditional: VersionConflict;
    /// A query string is read, and asks for a page of a list.
    pub Paginated: InvalidValue UnknownField CursorInvalid;
    /// A body is read.
    pub JsonBody: MalformedJson BodyTooLarge UnsupportedMediaType InvalidValue UnknownField;
    /// A body has nothing to say: none will do, and so will `{}`.
    pub EmptyBody: MalformedJson BodyTooLarge InvalidValue UnknownField;
    /// A license key or token is looked at, and what does not hold is counted by its address.
    pub Throttled: RateLimited;
    /// A license token must hold.
    pub LicenseToken: TokenInvalid;
    /// A license must be honoured.
    pub LicenseUsable: Revoked Superseded Suspended Expired ProductInactive GenerationOutdated;
}

/// A set's codes, each in the place of a status.
pub fn by_code(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    codes.iter().map(|code| (code.to_string(), RefOr::T(Response::default()))).collect()
}
