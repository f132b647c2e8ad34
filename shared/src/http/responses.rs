//! Sets of problem codes, from which the OpenAPI document lists the error responses of each endpoint:
//! `responses((status = 200, …), Authenticated, Authorized)`. Each type is a set of codes. An endpoint names the sets
//! that apply to it; the codes of that endpoint alone are a set next to its handler.
//!
//! Several codes can share one status, and utoipa keeps one response per status. A set therefore uses its codes as
//! keys, and the generator of the document merges the codes of each status.

use std::collections::BTreeMap;

use utoipa::openapi::{RefOr, Response};

use crate::domain::Code;

/// Defines sets of codes as types that `#[utoipa::path(responses(…))]` accepts.
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
    /// Any endpoint can fail because of an unavailable dependency or an internal error.
    pub ServerErrors: Unavailable InternalError;
    /// The caller must authenticate. Failed attempts count against the client's address.
    pub Authenticated: Unauthenticated RateLimited;
    /// The caller must be authorized.
    pub Authorized: Forbidden;
    /// The path identifies a resource.
    pub PathLookup: NotFound;
    /// The endpoint honors `If-Match`.
    pub Conditional: VersionConflict;
    /// The endpoint reads filters and pagination from the query string.
    pub Paginated: InvalidValue UnknownField CursorInvalid;
    /// The endpoint reads a JSON body.
    pub JsonBody: MalformedJson BodyTooLarge UnsupportedMediaType InvalidValue UnknownField;
    /// The endpoint accepts no body, or `{}`.
    pub EmptyBody: MalformedJson BodyTooLarge InvalidValue UnknownField;
    /// The endpoint reads a license key or token. Failed attempts count against the client's address.
    pub Throttled: RateLimited;
    /// The endpoint requires a valid license token.
    pub LicenseToken: TokenInvalid;
    /// The license must be usable.
    pub LicenseUsable: Revoked Superseded Suspended Expired ProductInactive GenerationOutdated;
}

/// Returns one response per code, with the code as its key.
pub fn by_code(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    codes.iter().map(|code| (code.to_string(), RefOr::T(Response::default()))).collect()
}
