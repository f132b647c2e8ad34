//! Extractors for bodies, query strings and path parameters. Invalid input is rejected with a code and a JSON pointer
//! to the field; unknown fields are rejected, never ignored.

use std::{collections::BTreeMap, fmt, marker::PhantomData, str::FromStr};

use axum::{
    body::Bytes,
    extract::{FromRef, FromRequest, FromRequestParts, MatchedPath, Path, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE, request::Parts},
};
use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::IntoParams;

use super::{API_BASE_PATH, Code, InputError, Problem, RequestContext};
use crate::{
    domain::time::parse_time,
    secrets::{CursorSecret, RotatedSecret},
    store::pagination::{CursorKey, PageRequest},
};

/// A JSON body without unknown fields.
#[derive(Debug)]
pub struct StrictJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = has_media_type(request.headers(), &["application/json"]);
        let bytes = read_bytes(request, state).await?;
        if !is_json {
            let detail = "unsupported media type: send Content-Type: application/json";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        parse_json(&bytes).map(Self)
    }
}

/// A boolean query parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flag {
    /// `true`
    True,
    /// `false`
    False,
}

/// A body of lines of JSON (NDJSON), which are not parsed.
#[derive(Debug)]
pub struct Ndjson(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Ndjson {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_ndjson = has_media_type(request.headers(), &[NDJSON]);
        let bytes = read_bytes(request, state).await?;
        if !is_ndjson {
            let detail = format!("unsupported media type: send Content-Type: {NDJSON}");
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        Ok(Self(bytes))
    }
}

/// The media type of lines of JSON.
pub const NDJSON: &str = "application/x-ndjson";

/// The maximum size of a request body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// The maximum size of the body of an import, in bytes. Encoded in base64, it fits into an event of Lambda.
const MAX_IMPORT_BYTES: usize = 4_000_000;

/// The maximum size of a form with an uploaded photo, in bytes. The page explains that a smaller file is too large, too; events of
/// Lambda are no larger.
const MAX_UPLOAD_BYTES: usize = 6_000_000;

/// Returns the maximum size of the body of a request, which depends on its route.
pub(crate) fn max_body_bytes(request: &Request) -> usize {
    match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        Some("/api/v1.0/imports") => MAX_IMPORT_BYTES,
        Some("/dashboard/licenses/{id}/offline-activation" | "/dashboard/license-keys/{id}/offline-activation") => {
            MAX_UPLOAD_BYTES
        }
        _ => MAX_BODY_BYTES,
    }
}

/// The body of an action without input: empty, or `{}`.
#[derive(Debug)]
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct EmptyObject {}
        let bytes = read_bytes(request, state).await?;
        if !bytes.is_empty() {
            let EmptyObject {} = parse_json(&bytes)?;
        }
        Ok(Self)
    }
}

pub(crate) async fn read_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let max = max_body_bytes(&request);
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE if max == MAX_BODY_BYTES => {
            Problem::new(Code::BodyTooLarge, "the body must not exceed 64 KiB")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(Code::BodyTooLarge, format!("the body must not exceed {max} bytes"))
        }
        _ => Problem::new(Code::MalformedJson, "the body is incomplete"),
    })
}

/// Returns whether the `Content-Type` is one of these media types, with or without parameters.
pub(super) fn has_media_type(headers: &HeaderMap, accepted: &[&str]) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    accepted.iter().any(|accepted| media_type.eq_ignore_ascii_case(accepted))
}

/// Parses a JSON object without unknown fields.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = read_fields(&mut json, FieldLocation::Body).map_err(Problem::invalid);
    // The syntax of the whole body is checked before field errors are reported. The category of serde_json's error does
    // not tell them apart: it is `Syntax` also for a null in place of an enum.
    if value.is_ok() {
        json.end().map_err(|error| malformed_json(&error))?;
    } else {
        check_syntax(bytes)?;
    }
    if !bytes.trim_ascii_start().starts_with(b"{") {
        // serde would read an array as a struct, field by field.
        return Err(InputError::at("", Code::InvalidValue, "expected an object").into());
    }
    value
}

/// Checks that a text is JSON, whatever its fields.
pub fn check_syntax(bytes: &[u8]) -> Result<(), Problem> {
    let text = std::str::from_utf8(bytes).map_err(serde_json::Error::custom);
    let checked = text.and_then(serde_json::from_str::<IgnoredAny>);
    checked.map(drop).map_err(|error| malformed_json(&error))
}

fn malformed_json(error: &serde_json::Error) -> Problem {
    Problem::new(Code::MalformedJson, format!("malformed JSON: {error}"))
}

/// A query string without unknown parameters. A parameter must not be empty.
#[derive(Debug)]
pub struct StrictQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let params = parse_query(parts.uri.query().unwrap_or_default())?;
        reject_empty(&params)?;
        read_params(params).map(Self)
    }
}

fn read_params<T: DeserializeOwned>(params: BTreeMap<String, String>) -> Result<T, Problem> {
    let values = params.into_iter().map(|(name, value)| (name, value.into())).collect();
    read_fields(serde_json::Value::Object(values), FieldLocation::Parameter).map_err(Problem::invalid)
}

/// The query string of a list endpoint: its filters and its pagination. `MAX` is the maximum number of items of a page, and
/// `DEFAULT` their number if the client sets none.
#[derive(Debug)]
pub struct ListQuery<F, const MAX: usize = 100, const DEFAULT: usize = 25> {
    /// The filters of the endpoint.
    pub filter: F,
    /// The requested page.
    pub paging: PageRequest,
}

impl<F: DeserializeOwned, S: Send + Sync, const MAX: usize, const DEFAULT: usize> FromRequestParts<S>
    for ListQuery<F, MAX, DEFAULT>
where
    Option<CursorSecret>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut params = parse_query(parts.uri.query().unwrap_or_default())?;
        let cursor = params.remove("cursor").filter(|cursor| !cursor.is_empty());
        let RequestContext { now, .. } = RequestContext::from_request_parts(parts, state).await?;
        let Required::<CursorSecret>(secret) = Required::from_request_parts(parts, state).await?;
        let key = cursor_key(&secret, cursor.as_deref(), now).await;
        let limit = params.remove("limit").filter(|limit| !limit.is_empty());
        let paging = PageRequest { limit: page_limit(limit.as_deref(), MAX, DEFAULT)?, cursor, key };
        if parts.uri.path().starts_with(API_BASE_PATH) {
            reject_empty(&params)?;
        } else {
            // The forms of pages send all their fields.
            params.retain(|_, value| !value.is_empty());
        }
        Ok(Self { filter: read_params(params)?, paging })
    }
}

/// A secret that an endpoint needs. Not every function has every secret.
#[derive(Debug)]
pub struct Required<T>(pub T);

impl<S: Send + Sync, V> FromRequestParts<S> for Required<RotatedSecret<V>>
where
    Option<RotatedSecret<V>>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Problem> {
        let secret = Option::<RotatedSecret<V>>::from_ref(state);
        secret.map(Self).ok_or_else(|| Problem::internal("SIGNET_CURSOR_SECRET or SIGNET_SESSION_SECRET is not set"))
    }
}

/// Returns the key of cursors. Reloads it if it does not verify `cursor`, because the key may just have been rotated.
async fn cursor_key(secret: &CursorSecret, cursor: Option<&str>, now: Timestamp) -> CursorKey {
    let key = secret.read(now).await.cursor_key();
    match cursor {
        Some(cursor) if !key.verifies(cursor) => secret.read_latest(now).await.cursor_key(),
        _ => key,
    }
}

/// Rejects empty filters: the program has probably lost the value, and must not take the first of all resources for the one
/// that it looks for.
fn reject_empty(filters: &BTreeMap<String, String>) -> Result<(), Problem> {
    let empty = filters.iter().filter(|(_, value)| value.is_empty());
    let error = |(name, _): (&String, &String)| {
        InputError::parameter(name, Code::InvalidValue, "must not be empty: omit it, or send a value")
    };
    let errors: Vec<_> = empty.map(error).collect();
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

/// Parses a query string. A parameter must not be repeated.
fn parse_query(query: &str) -> Result<BTreeMap<String, String>, Problem> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|_| InputError::parameter("query", Code::InvalidValue, "malformed query string"))?;
    let mut params = BTreeMap::new();
    for (name, value) in pairs {
        if params.insert(name.clone(), value).is_some() {
            return Err(InputError::parameter(name, Code::InvalidValue, "duplicate parameter").into());
        }
    }
    Ok(params)
}

fn page_limit(limit: Option<&str>, max: usize, default: usize) -> Result<usize, Problem> {
    let limit = limit.map_or(Ok(default), str::parse).unwrap_or(0);
    if !(1..=max).contains(&limit) {
        let detail = format!("must be between 1 and {max}");
        return Err(InputError::parameter("limit", Code::InvalidValue, detail).into());
    }
    Ok(limit)
}

/// The filters of a list endpoint without filters.
#[derive(Debug, Deserialize)]
pub struct NoFilter {}

/// The id in a path. A malformed id is rejected with `not_found`.
#[derive(Debug)]
pub struct PathId<T>(pub T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Problem::not_found());
        };
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// The pagination parameters in the OpenAPI document. [`ListQuery`] reads them.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only documents the parameters")]
pub struct PaginationParams {
    /// The maximum number of items to return.
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page. The filters must be the same for all pages.
    cursor: Option<String>,
}

/// An object inside a body. serde would also read an array as a struct, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<fn() -> T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Deserializes a field that may be absent (`None`) or null (`Some(None)`).
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Deserializes a timestamp, as [`parse_time`] reads it.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    parse_time(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Deserializes a timestamp or null, as [`parse_time`] reads it.
pub fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    parse_time(&text).map(Some).map_err(D::Error::custom)
}

/// Deserializes a timestamp that may be absent (`None`) or null (`Some(None)`).
pub fn nullable_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    optional_time(deserializer).map(Some)
}

/// Where the fields of a request are.
#[derive(Clone, Copy)]
pub(super) enum FieldLocation {
    Body,
    Parameter,
}

/// Deserializes a value. Reports every unknown field.
pub(super) fn read_fields<'de, D, T>(deserializer: D, location: FieldLocation) -> Result<T, Vec<InputError>>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let value = serde_ignored::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track), |path| {
        unknown.push(ignored_pointer(&path));
    });
    let mut errors = Vec::new();
    for pointer in unknown {
        errors.push(field_error(location, &pointer, Code::UnknownField, "unknown field"));
    }
    match value {
        Err(error) => errors.push(serde_error(location, &pointer(&track.path()), &error.to_string())),
        Ok(value) if errors.is_empty() => return Ok(value),
        Ok(_) => {}
    }
    Err(errors)
}

/// Turns serde's message into a field error, without the received value: it may be long, or a secret in the wrong
/// field.
pub(super) fn serde_error(location: FieldLocation, pointer: &str, message: &str) -> InputError {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    // For missing and duplicate fields, serde reports the path of the parent.
    let name = ["missing field `", "duplicate field `"].iter().find_map(|prefix| message.strip_prefix(prefix));
    if let Some(name) = name.and_then(|rest| rest.split('`').next()) {
        return field_error(location, &format!("{pointer}/{name}"), Code::InvalidValue, message);
    }
    let has_received_value =
        ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|prefix| message.starts_with(prefix));
    let detail = match message.rsplit_once(", expected ") {
        Some((_, expected)) if has_received_value => format!("expected {}", without_rust_types(expected)),
        _ if has_received_value => "invalid value".to_owned(),
        // serde_json's message for any JSON other than a string in place of an enum.
        _ if message == "expected value" => "expected a string".to_owned(),
        _ => message.to_owned(),
    };
    field_error(location, pointer, Code::InvalidValue, &detail)
}

/// Replaces the names of Rust types in serde's messages with JSON types.
fn without_rust_types(expected: &str) -> &str {
    match expected {
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" => "a non-negative integer",
        "i32" | "i64" => "an integer",
        "a sequence" => "an array",
        "a map" => "an object",
        "string or map" => "a string",
        _ if expected.starts_with("struct ") => "an object",
        other => other,
    }
}

fn field_error(location: FieldLocation, pointer: &str, code: Code, detail: &str) -> InputError {
    match location {
        FieldLocation::Body => InputError::at(pointer, code, detail),
        FieldLocation::Parameter => InputError::parameter(pointer.trim_start_matches('/'), code, detail),
    }
}

/// Escapes a segment of a JSON pointer (RFC 6901 §3).
pub(super) fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let segment = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escape(key)),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(segment).collect()
}

fn ignored_pointer(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}/{index}", ignored_pointer(parent)),
        Path::Map { parent, key } => format!("{}/{}", ignored_pointer(parent), escape(key)),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            ignored_pointer(parent)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Widget {
        name: String,
        seats: Option<u32>,
        color: Option<Color>,
        parts: Option<Vec<Part>>,
    }

    #[derive(Debug, Deserialize)]
    enum Color {
        Red,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Part {
        size: u8,
    }

    /// Generates JSON that resembles a widget.
    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
            Just("Red".into()),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let name = prop_oneof![any::<String>(), "name|seats|color|parts|size"];
            let members = proptest::collection::btree_map(name, inner.clone(), 0..6);
            let object = members.prop_map(|members| serde_json::Value::Object(members.into_iter().collect()));
            prop_oneof![proptest::collection::vec(inner, 0..6).prop_map(Into::into), object]
        })
    }

    fn errors_of(body: &str) -> (Code, Vec<String>) {
        let problem = parse_json::<Widget>(body.as_bytes()).unwrap_err();
        (problem.code, problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect())
    }

    #[test]
    fn errors_point_to_the_invalid_field() {
        let at = |pointer: &str| vec![pointer.to_owned()];
        assert_eq!(errors_of(r#"{"name": 5}"#), (Code::InvalidValue, at("/name")));
        assert_eq!(errors_of(r#"{"seats": 5}"#), (Code::InvalidValue, at("/name")));
        assert_eq!(errors_of(r#"{"name": "a", "sets": 5}"#), (Code::UnknownField, at("/sets")));
        assert_eq!(errors_of(r#"{"name": "a", "seats": -1}"#), (Code::InvalidValue, at("/seats")));
        assert_eq!(errors_of(r#"{"name": "a", "parts": [{"size": 1}, {"size": 256}]}"#).1, at("/parts/1/size"));
        assert_eq!(errors_of(r#"{"name": "a", "parts": [{}]}"#).1, at("/parts/0/size"));
        assert_eq!(errors_of(r#"{"name": "a", "name": "b"}"#), (Code::InvalidValue, at("/name")));
        assert_eq!(errors_of(r#"{"name": "a", "a/b~": 1}"#).1, at("/a~1b~0"));
        assert_eq!(errors_of(r#"{"name": 5, "x": 1}"#).0, Code::InvalidValue);
        for other in ["[]", r#" ["a", 5, null, null]"#, "5", "\"a\"", "null"] {
            assert_eq!(errors_of(other), (Code::InvalidValue, at("")), "{other}");
        }
    }

    #[test]
    fn serde_messages_are_passed_on_without_the_received_value() {
        let detail = |body: &str| parse_json::<Widget>(body.as_bytes()).unwrap_err().detail;
        assert_eq!(detail(r#"{"name": 5}"#), "expected a string");
        assert_eq!(detail(r#"{"name": "a", "seats": -1}"#), "expected an integer from 0 to 4294967295");
        assert_eq!(detail(r#"{"name": "a", "parts": 1}"#), "expected an array");
        assert_eq!(detail(r#"{"name": "a", "parts": [1]}"#), "expected an object");
        assert_eq!(detail(r#"{"name": "a", "color": "Blue"}"#), "expected `Red`");
        assert_eq!(detail(r#"{"name": "a", "color": null, "parts": {}}"#), "expected an array");
        assert_eq!(detail(r#"{"name": "a", "color": 1}"#), "expected a string");
        assert_eq!(detail("{}"), "missing field `name`");
        assert_eq!(detail(r#"{"name": "a", "name": "a"}"#), "duplicate field `name`");
        assert_eq!(detail(r#"{"name": "a", "x": 1}"#), "unknown field");
    }

    #[test]
    fn error_details_are_short_and_never_echo_the_input() {
        let long = format!(r#"{{"name": "a", "seats": "{}"}}"#, "\u{200b}".repeat(20_000));
        assert!(parse_json::<Widget>(long.as_bytes()).unwrap_err().detail.len() < 100);
        let secret = parse_json::<Widget>(br#"{"name": "a", "color": "hunter2, expected much"}"#).unwrap_err();
        assert_eq!(secret.detail, "expected `Red`");
        for received in ["hunter2: x", "hunter2 at line 1", "hunter2, expected x at line 1 column 2"] {
            for field in ["color", "seats"] {
                let body = serde_json::json!({"name": "a", field: received}).to_string();
                assert!(!parse_json::<Widget>(body.as_bytes()).unwrap_err().detail.contains("hunter2"), "{body}");
            }
        }
        let fields: Vec<String> = (0..5000).map(|n| format!(r#""x{n}": 1"#)).collect();
        let problem = parse_json::<Widget>(format!("{{{}}}", fields.join(",")).as_bytes()).unwrap_err();
        assert_eq!(problem.errors.len(), 100);
        assert!(problem.detail.starts_with("5001 invalid fields"), "{}", problem.detail);
    }

    #[test]
    fn malformed_json_is_distinguished_from_invalid_values() {
        for invalid in ["5", "[]", "\"red\"", "{}", "true"] {
            assert_eq!(
                errors_of(&format!(r#"{{"name": "a", "color": {invalid}}}"#)),
                (Code::InvalidValue, vec!["/color".to_owned()])
            );
        }
        parse_json::<Widget>(br#"{"name": "a", "color": "Red"}"#).unwrap();
        for body in [
            "",
            "{",
            "nul",
            "{\"name\": 5",
            "{\"name\": 5} x",
            "{\"x\": 1,}",
            "{\"color\": 5 5}",
            "{\"name\": \"a\"} x",
            "{\"name\": \"\u{1}\"}",
        ] {
            assert_eq!(errors_of(body).0, Code::MalformedJson, "{body}");
        }
        assert_eq!(parse_json::<Widget>(b"{\"name\": \"\xff\"}").unwrap_err().code, Code::MalformedJson);
    }

    proptest! {
        #[test]
        fn parse_json_never_panics(bytes in any::<Vec<u8>>()) {
            let _ = parse_json::<Widget>(&bytes);
        }

        #[test]
        fn every_field_error_has_a_short_detail_and_a_pointer(value in json()) {
            if let Err(problem) = parse_json::<Widget>(value.to_string().as_bytes()) {
                prop_assert_ne!(problem.code, Code::MalformedJson);
                prop_assert!(!problem.errors.is_empty());
                for error in problem.errors {
                    prop_assert!(error.detail.chars().count() < 100, "{}", error.detail);
                    let pointer = error.pointer.unwrap();
                    prop_assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer}");
                }
            }
        }

        #[test]
        fn parse_query_never_panics(query in any::<String>()) {
            let _ = parse_query(&query);
        }

        #[test]
        fn parse_query_reverses_url_encoding(pairs in proptest::collection::btree_map(any::<String>(), ".+", 0..6)) {
            let query = serde_urlencoded::to_string(&pairs).unwrap();
            prop_assert_eq!(parse_query(&query).unwrap(), pairs);
        }

        #[test]
        fn timestamps_are_normalized_to_utc(
            text in prop_oneof![
                any::<String>(),
                "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|z|[+-][0-2][0-9]:[0-6][0-9])",
            ],
        ) {
            let json = serde_json::Value::from(text);
            if let Some(time) = optional_time(json).ok().flatten() {
                let written = serde_json::to_value(time).unwrap();
                prop_assert!(written.as_str().unwrap().ends_with('Z'));
                prop_assert_eq!(optional_time(written).unwrap(), Some(time));
            }
        }

        #[test]
        fn timestamps_with_milliseconds_round_trip(millis in -62_000_000_000_000_i64..253_000_000_000_000) {
            let time = Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(optional_time(serde_json::to_value(time).unwrap()).unwrap(), Some(time));
        }
    }
}
