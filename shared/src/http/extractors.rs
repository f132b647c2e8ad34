//! Reading input: what does not fit is refused with a code and a pointer to where it stands, and a field that is not
//! known is never ignored.

use std::{collections::BTreeMap, str::FromStr};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE, request::Parts},
};
use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny},
};
use utoipa::IntoParams;

use super::Problem;
use crate::{
    AppState,
    domain::{Code, FieldError, ValidationErrors},
    store::pagination::{CursorKey, PageRequest},
};

/// A JSON body.
#[derive(Debug)]
pub struct StrictJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read_bytes(request, state).await?;
        if !is_json {
            return Err(Problem::new(Code::UnsupportedMediaType, "send Content-Type: application/json"));
        }
        parse_json(&bytes).map(Self)
    }
}

/// The body of an action that needs none: nothing at all, or `{}`.
#[derive(Debug)]
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Nothing {}
        let bytes = read_bytes(request, state).await?;
        if !bytes.is_empty() {
            let Nothing {} = parse_json(&bytes)?;
        }
        Ok(Self)
    }
}

pub(super) async fn read_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::BodyTooLarge, "a body has 64 KiB at most"),
        _ => Problem::new(Code::MalformedJson, "the body did not arrive whole"),
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = read(&mut json, FieldLocation::StrictJson);
    // That the text is JSON to its end is checked before its fields' faults are told: a broken text has no fields. What
    // serde_json calls a fault of the syntax will not do for that, as it is also what it says of a null for a word.
    let is_json = if value.is_ok() { json.end() } else { check_json(bytes) };
    is_json.map_err(|error| Problem::new(Code::MalformedJson, format!("the body is not JSON: {error}")))?;
    if !bytes.trim_ascii_start().starts_with(b"{") {
        // serde would take a list for a struct, field by field.
        return Err(FieldError::at("", Code::InvalidValue, "an object belongs here").into());
    }
    Ok(value?)
}

fn check_json(bytes: &[u8]) -> Result<(), serde_json::Error> {
    let text = std::str::from_utf8(bytes).map_err(serde_json::Error::custom)?;
    serde_json::from_str::<IgnoredAny>(text).map(|IgnoredAny| ())
}

/// What a query string asks of a list: which rows, and how many of them from where on.
#[derive(Debug)]
pub struct ListQuery<F> {
    /// Which rows.
    pub filter: F,
    /// How many, from where on.
    pub paging: PageRequest,
}

impl<F: DeserializeOwned> FromRequestParts<AppState> for ListQuery<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let mut pairs = form_pairs(parts.uri.query().unwrap_or_default())?;
        let cursor = pairs.remove("cursor");
        let key = cursor_key(app, cursor.as_deref()).await;
        let paging = paging(pairs.remove("limit").as_deref(), cursor, key)?;
        let values = pairs.into_iter().map(|(name, value)| (name, value.into())).collect();
        let filter = read(serde_json::Value::Object(values), FieldLocation::Parameter)?;
        Ok(Self { filter, paging })
    }
}

/// The key of cursors. One that it does not know may be of a key that was rotated in a moment ago.
async fn cursor_key(app: &AppState, cursor: Option<&str>) -> CursorKey {
    let now = app.clock.now();
    let key = app.secrets.read(now).await.cursor_key();
    match cursor {
        Some(cursor) if !key.knows(cursor) => app.secrets.read_for_unknown(now).await.cursor_key(),
        _ => key,
    }
}

/// The parameters of a query string; each may stand once, and an empty one counts as left out.
fn form_pairs(query: &str) -> Result<BTreeMap<String, String>, Problem> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|_| FieldError::parameter("query", Code::InvalidValue, "the query string is not readable"))?;
    let mut found = BTreeMap::new();
    for (name, value) in pairs {
        if found.insert(name.clone(), value).is_some() {
            return Err(FieldError::parameter(name, Code::InvalidValue, "this parameter stands twice").into());
        }
    }
    found.retain(|_, value| !value.is_empty());
    Ok(found)
}

fn paging(limit: Option<&str>, cursor: Option<String>, key: CursorKey) -> Result<PageRequest, Problem> {
    let limit = limit.map_or(Ok(25), str::parse).unwrap_or(0);
    if !(1..=100).contains(&limit) {
        return Err(FieldError::parameter("limit", Code::InvalidValue, "a number from 1 to 100").into());
    }
    Ok(PageRequest { limit, cursor, key })
}

/// A list that has no filter.
#[derive(Debug, Deserialize)]
pub struct NoFilter {}

/// The id in a path. A text that is no id of this kind names nothing.
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

/// How a list's documentation tells of its paging; [`ListQuery`] reads it.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is documentation: what is read is text")]
pub struct PaginationParams {
    /// At most this many rows.
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before; the filters stay the same from page to page.
    cursor: Option<String>,
}

/// A field that may be left out, or be null: `None`, `Some(None)`.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A time, or null, which is as good as left out. What is finer than a millisecond is cut off: nothing keeps it, and an
/// answer must not say what the next one does not.
pub fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let wrong = || D::Error::custom("a time as RFC 3339 has it, in UTC, like 2026-01-31T12:00:00Z");
    let time: Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(Some(Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)))
}

/// The same where null means something else than what is left out.
pub fn nullable_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    optional_time(deserializer).map(Some)
}

#[derive(Clone, Copy)]
enum FieldLocation {
    StrictJson,
    Parameter,
}

/// Reads a value and notes every field that it does not know.
fn read<'de, D, T>(deserializer: D, place: FieldLocation) -> Result<T, ValidationErrors>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let read = serde_ignored::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track), |path| {
        unknown.push(ignored_pointer(&path));
    });
    let mut invalid = ValidationErrors::default();
    for pointer in unknown {
        invalid.0.push(fault_at(place, &pointer, Code::UnknownField, "this field is not known here"));
    }
    match read {
        Err(error) => invalid.0.push(explain(place, &pointer(&track.path()), &error.to_string())),
        Ok(value) if invalid.0.is_empty() => return Ok(value),
        Ok(_) => {}
    }
    Err(invalid)
}

/// What serde says of a value, as a fault with a pointer. Of a missing field serde knows only the parent's place.
fn explain(place: FieldLocation, at: &str, said: &str) -> FieldError {
    let said = said.split(" at line ").next().unwrap_or(said);
    let quoted = |rest: &str| rest.split('`').next().unwrap_or_default().to_owned();
    if let Some(rest) = said.strip_prefix("missing field `") {
        return fault_at(place, &format!("{at}/{}", quoted(rest)), Code::InvalidValue, "this field is required");
    }
    if let Some(rest) = said.strip_prefix("duplicate field `") {
        return fault_at(place, &format!("{at}/{}", quoted(rest)), Code::InvalidValue, "this field stands twice");
    }
    // All that serde_json says of anything but a text where one of several words belongs.
    if said == "expected value" {
        return fault_at(place, at, Code::InvalidValue, "this is not one of the words that belong here");
    }
    // What was sent is not said back: it may be long, or a secret in the wrong place.
    let is_misfit = ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|word| said.starts_with(word));
    match said.rsplit_once(", expected ").filter(|_| is_misfit) {
        Some((_, wanted)) => fault_at(place, at, Code::InvalidValue, &format!("{} belongs here", in_our_words(wanted))),
        None => fault_at(place, at, Code::InvalidValue, said),
    }
}

/// What serde expects, as a caller would say it who writes no Rust.
fn in_our_words(wanted: &str) -> &str {
    match wanted {
        "a string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "i32" | "i64" => "a whole number, not too large,",
        "u8" | "u16" | "u32" | "u64" => "a whole number of 0 or more, not too large,",
        _ if wanted.starts_with("struct ") => "an object",
        other => other,
    }
}

fn fault_at(place: FieldLocation, pointer: &str, code: Code, detail: &str) -> FieldError {
    match place {
        FieldLocation::StrictJson => FieldError::at(pointer, code, detail),
        FieldLocation::Parameter => FieldError::parameter(pointer.trim_start_matches('/'), code, detail),
    }
}

fn escape(segment: &str) -> String {
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
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Thing {
        name: String,
        seats: Option<u32>,
        colour: Option<Colour>,
        parts: Option<Vec<Part>>,
    }

    #[derive(Debug, Deserialize)]
    enum Colour {
        Red,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Part {
        size: u8,
    }

    /// JSON that has much in common with a thing.
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
            let name = prop_oneof![any::<String>(), "name|seats|colour|parts|size"];
            let members = proptest::collection::btree_map(name, inner.clone(), 0..6);
            let object = members.prop_map(|members| serde_json::Value::Object(members.into_iter().collect()));
            prop_oneof![proptest::collection::vec(inner, 0..6).prop_map(Into::into), object]
        })
    }

    fn faults(body: &str) -> (Code, Vec<String>) {
        let problem = parse_json::<Thing>(body.as_bytes()).unwrap_err();
        (problem.code, problem.errors.into_iter().map(|error| error.pointer.unwrap()).collect())
    }

    #[test]
    fn faults_point_to_where_they_stand() {
        let at = |pointer: &str| vec![pointer.to_owned()];
        assert_eq!(faults(r#"{"name": 5}"#), (Code::InvalidValue, at("/name")));
        assert_eq!(faults(r#"{"seats": 5}"#), (Code::InvalidValue, at("/name")));
        assert_eq!(faults(r#"{"name": "a", "sets": 5}"#), (Code::UnknownField, at("/sets")));
        assert_eq!(faults(r#"{"name": "a", "seats": -1}"#), (Code::InvalidValue, at("/seats")));
        assert_eq!(faults(r#"{"name": "a", "parts": [{"size": 1}, {"size": 256}]}"#).1, at("/parts/1/size"));
        assert_eq!(faults(r#"{"name": "a", "parts": [{}]}"#).1, at("/parts/0/size"));
        assert_eq!(faults(r#"{"name": "a", "name": "b"}"#), (Code::InvalidValue, at("/name")));
        assert_eq!(faults(r#"{"name": "a", "a/b~": 1}"#).1, at("/a~1b~0"));
        assert_eq!(faults(r#"{"name": 5, "x": 1}"#).0, Code::InvalidValue);
        for other in ["[]", r#" ["a", 5, null, null]"#, "5", "\"a\"", "null"] {
            assert_eq!(faults(other), (Code::InvalidValue, at("")), "{other}");
        }
    }

    #[test]
    fn what_is_said_back_is_short() {
        let long = format!(r#"{{"name": "a", "seats": "{}"}}"#, "\u{200b}".repeat(20_000));
        assert!(parse_json::<Thing>(long.as_bytes()).unwrap_err().detail.len() < 100);
        let secret = parse_json::<Thing>(br#"{"name": "a", "colour": "hunter2, expected much"}"#).unwrap_err();
        assert_eq!(secret.detail, "`Red` belongs here");
        let fields: Vec<String> = (0..5000).map(|n| format!(r#""x{n}": 1"#)).collect();
        let problem = parse_json::<Thing>(format!("{{{}}}", fields.join(",")).as_bytes()).unwrap_err();
        assert_eq!(problem.errors.len(), 100);
        assert!(problem.detail.starts_with("5001 things"), "{}", problem.detail);
    }

    #[test]
    fn what_is_not_json_is_told_from_what_does_not_fit() {
        for wrong in ["5", "[]", "\"red\"", "{}", "true"] {
            assert_eq!(
                faults(&format!(r#"{{"name": "a", "colour": {wrong}}}"#)),
                (Code::InvalidValue, vec!["/colour".to_owned()])
            );
        }
        parse_json::<Thing>(br#"{"name": "a", "colour": "Red"}"#).unwrap();
        for body in [
            "",
            "{",
            "nul",
            "{\"name\": 5",
            "{\"name\": 5} x",
            "{\"x\": 1,}",
            "{\"colour\": 5 5}",
            "{\"name\": \"a\"} x",
            "{\"name\": \"\u{1}\"}",
        ] {
            assert_eq!(faults(body).0, Code::MalformedJson, "{body}");
        }
        assert_eq!(parse_json::<Thing>(b"{\"name\": \"\xff\"}").unwrap_err().code, Code::MalformedJson);
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = parse_json::<Thing>(&bytes);
        }

        #[test]
        fn any_json_is_read_or_refused_in_few_words(value in json()) {
            if let Err(problem) = parse_json::<Thing>(value.to_string().as_bytes()) {
                prop_assert_ne!(problem.code, Code::MalformedJson);
                prop_assert!(!problem.errors.is_empty());
                for error in problem.errors {
                    prop_assert!(error.detail.chars().count() < 100, "{}", error.detail);
                    let at = error.pointer.unwrap();
                    prop_assert!(at.is_empty() || at.starts_with('/'), "{at}");
                }
            }
        }

        #[test]
        fn any_query_is_read_or_refused(query in any::<String>()) {
            let _ = form_pairs(&query);
        }

        #[test]
        fn a_query_is_read_as_it_was_written(pairs in proptest::collection::btree_map(any::<String>(), ".+", 0..6)) {
            let query = serde_urlencoded::to_string(&pairs).unwrap();
            prop_assert_eq!(form_pairs(&query).unwrap(), pairs);
        }

        #[test]
        fn any_time_is_read_or_refused(
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
        fn a_time_is_read_as_it_was_written(millis in -62_000_000_000_000_i64..253_000_000_000_000) {
            let time = Timestamp::from_millisecond(millis).unwrap();
            prop_assert_eq!(optional_time(serde_json::to_value(time).unwrap()).unwrap(), Some(time));
        }
    }
}
