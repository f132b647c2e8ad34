//! Invalid request bodies, sent to every operation that accepts a body. Each must be rejected with the documented code,
//! and nothing must be written.
#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use signet_tests::{Operation, Stack, TestResponse, Value, check_each, json};

/// A nesting depth beyond the recursion limit of JSON parsers, well below 64 KiB.
const DEPTH: usize = 10_000;

/// Returns the operations that accept a JSON object as their body.
async fn operations_with_body(stack: &Stack) -> Vec<Operation> {
    let mut all = stack.operations().await;
    all.retain(|operation| (operation.body.is_some() && operation.has_json_body()) || operation.has_optional_body());
    assert!(all.len() >= 25, "{all:#?}");
    all
}

fn nested(open: &str, close: &str, inside: &str) -> String {
    format!("{}{inside}{}", open.repeat(DEPTH), close.repeat(DEPTH))
}

/// Bodies that are not JSON texts (RFC 8259), each with a description.
fn malformed_json() -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    vec![
        ("only spaces", b" \t\r\n".to_vec()),
        ("truncated", b"{\"name\": \"a\"".to_vec()),
        ("two objects", b"{}{}".to_vec()),
        ("trailing characters", b"{} //".to_vec()),
        ("a trailing comma", b"{\"name\": \"a\",}".to_vec()),
        ("single quotes", b"{'name': 'a'}".to_vec()),
        ("a comment", b"{/* */}".to_vec()),
        ("an unquoted name", b"{name: 1}".to_vec()),
        ("a form", b"name=a&email=b".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><name>a</name>".to_vec()),
        ("NaN", b"{\"name\": NaN}".to_vec()),
        ("Infinity", b"{\"name\": -Infinity}".to_vec()),
        ("hexadecimal", b"{\"name\": 0x10}".to_vec()),
        ("a leading zero", b"{\"name\": 01}".to_vec()),
        ("a plus sign", b"{\"name\": +1}".to_vec()),
        ("invalid UTF-8 in a string", b"{\"name\": \"\xff\xfe\"}".to_vec()),
        ("overlong UTF-8", b"{\"name\": \"\xc0\x80\"}".to_vec()),
        ("a surrogate in UTF-8", b"{\"name\": \"\xed\xa0\x80\"}".to_vec()),
        ("invalid UTF-8 in an unknown field name", b"{\"\xff\": 1}".to_vec()),
        ("Latin-1", b"{\"name\": \"Zo\xeb\"}".to_vec()),
        ("UTF-16", utf16("{\"name\": \"a\"}")),
        ("a byte order mark", b"\xef\xbb\xbf{\"name\": \"a\"}".to_vec()),
        ("a NUL", b"\0".to_vec()),
        ("a NUL in a string", b"{\"name\": \"a\0b\"}".to_vec()),
        ("a trailing NUL", b"{}\0".to_vec()),
        ("a control character in a string", b"{\"name\": \"a\x1bb\"}".to_vec()),
        ("a line break in a string", b"{\"name\": \"a\nb\"}".to_vec()),
        ("an invalid escape", b"{\"name\": \"\\x41\"}".to_vec()),
        ("a truncated escape", b"{\"name\": \"\\u00".to_vec()),
        ("unclosed arrays", b"[".repeat(60_000)),
        ("unclosed objects", b"{\"a\":".repeat(DEPTH)),
        ("deeply nested arrays around a syntax error", nested("[", "]", "x").into_bytes()),
        ("compressed", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0C\xbf\xa6\xa3\x02\0\0\0".to_vec()),
    ]
}

/// JSON values that are not objects, each with a description.
fn non_objects() -> Vec<(&'static str, String)> {
    vec![
        ("null", "null".to_owned()),
        ("true", "true".to_owned()),
        ("a number", "-0".to_owned()),
        ("a huge number", "1e400".to_owned()),
        ("a string", "\"{}\"".to_owned()),
        ("an array", "[]".to_owned()),
        ("an array of one object", "[{}]".to_owned()),
        ("deeply nested arrays", nested("[", "]", "")),
        ("deeply nested arrays around an object", nested("[", "]", "{}")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_returns_400_and_a_non_object_returns_422() {
    let stack = Stack::start_without_rate_limits().await;
    let operations = operations_with_body(&stack).await;
    let before = stack.snapshot_items().await;
    check_each(&operations, async |operation| {
        for (description, body) in malformed_json() {
            let response = operation.send_json_text(body).await;
            assert_eq!(response.status, 400, "{description}: {} {}", response.request, response.text);
            response.expect_problem(400, "malformed_json");
        }
        for (description, body) in non_objects() {
            let response = operation.send_json_text(body).await;
            assert_eq!(response.status, 422, "{description}: {} {}", response.request, response.text);
            response.expect_errors(422, &[" invalid_value"]);
        }
        let empty = operation.with_caller(&stack.anonymous).send_json_text("").await;
        assert!(empty.status == if operation.is_public() { 400 } else { 401 }, "{}", empty.text);
        if !operation.has_optional_body() {
            operation.send_json_text("").await.expect_problem(400, "malformed_json");
        }
    })
    .await;
    stack.assert_unchanged_since(&before).await;
}

/// Returns a valid body of the operation with an additional member.
fn with_member(operation: &Operation, member: &str) -> String {
    let body = operation.body.clone().unwrap_or_else(|| json!({})).to_string();
    let comma = if body == "{}" { "" } else { "," };
    format!("{}{comma}{member}}}", body.strip_suffix('}').unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_return_422_whatever_their_value() {
    let stack = Stack::start_without_rate_limits().await;
    let operations = operations_with_body(&stack).await;
    let before = stack.snapshot_items().await;
    check_each(&operations, async |operation| {
        for member in [
            format!("\"no_such_field\":{}", nested("[", "]", "")),
            format!("\"no_such_field\":{}", nested("{\"a\":", "}", "1")),
            "\"no_such_field\":1e400".to_owned(),
            "\"no_such_field\":123456789012345678901234567890".to_owned(),
            "\"no_such_field\":\"\\ud800\"".to_owned(),
            "\"no_such_field\":\"\\u0000\"".to_owned(),
        ] {
            operation
                .send_json_text(with_member(operation, &member))
                .await
                .expect_errors(422, &["/no_such_field unknown_field"]);
        }
        let duplicate = operation.send_json_text(with_member(operation, "\"x\":1,\"x\":2")).await;
        duplicate.expect_errors(422, &["/x unknown_field", "/x unknown_field"]);
        for name in [
            "__proto__",
            "constructor",
            "$where",
            "id",
            "ID",
            "Name",
            "name ",
            "n\\u0430me",
            "\\u0000",
            "\\ud83d\\ude00",
        ] {
            let response = operation.send_json_text(with_member(operation, &format!("\"{name}\":null"))).await;
            let code = response.body["errors"][0]["code"].clone();
            assert_eq!(
                (response.status, code),
                (422, json!("unknown_field")),
                "{}: {}",
                response.request,
                response.text
            );
        }
        // A name that is not valid Unicode cannot be repeated in the error.
        let response = operation.send_json_text(with_member(operation, "\"\\ud800\":1")).await;
        response.expect_problem(422, "invalid_value");
    })
    .await;
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_field_returns_422() {
    let stack = Stack::start_without_rate_limits().await;
    let operations = operations_with_body(&stack).await;
    let before = stack.snapshot_items().await;
    check_each(&operations, async |operation| {
        for (name, value) in operation.body.iter().flat_map(|body| body.as_object().unwrap()) {
            let response = operation.send_json_text(with_member(operation, &format!("\"{name}\":{value}"))).await;
            response.expect_errors(422, &[&format!("/{name} invalid_value")]);
        }
    })
    .await;
    stack.assert_unchanged_since(&before).await;
}

/// Returns JSON values that are invalid for a field of this type.
fn invalid_values_for(kind: &str) -> Vec<String> {
    let deep = nested("[", "]", "");
    let common =
        ["{}", "{\"a\": {}}", "1e400", "-1e400", "-0", "1.5", "123456789012345678901234567890", "1E-400", &deep];
    let specific: &[&str] = match kind {
        "string" => &["5", "true", "[]", "[\"a\"]", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"a\\ud83d\""],
        "integer" => {
            &["\"5\"", "true", "[]", "[5]", "1.0", "1e2", "9223372036854775808", "18446744073709551616", "\"\""]
        }
        "boolean" => &["\"true\"", "0", "1", "\"\"", "[]", "[true]"],
        "array" => &["\"a\"", "5", "true", "[5]", "[null]", "[[]]", "[{}]", "[\"\\ud800\"]"],
        other => panic!("no invalid values for the type {other}"),
    };
    specific.iter().chain(&common).map(|&value| value.to_owned()).collect()
}

/// Returns the fields of an operation's body with their types in the OpenAPI document. Fields that accept several types
/// or an object are omitted.
fn body_fields(document: &Value, operation: &Operation) -> Vec<(String, String)> {
    let schema = &operation.spec["requestBody"]["content"]["application/json"]["schema"];
    let resolve = |schema: &Value| match schema["$ref"].as_str() {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    };
    let schema = resolve(schema);
    let mut found = Vec::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let kind = &resolve(field)["type"];
        let kind =
            kind.as_str().or_else(|| kind.as_array()?.iter().filter_map(Value::as_str).find(|one| *one != "null"));
        if let Some(kind) = kind.filter(|kind| *kind != "object") {
            found.push((name.clone(), kind.to_owned()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_the_wrong_type_returns_422_with_its_pointer() {
    let stack = Stack::start_without_rate_limits().await;
    let document = stack.anonymous.get("/openapi.json").await.expect_status(200);
    let operations = operations_with_body(&stack).await;
    let before = stack.snapshot_items().await;
    let mut sent = 0;
    check_each(&operations, async |operation| {
        for (name, kind) in body_fields(&document, operation) {
            for value in invalid_values_for(&kind) {
                let mut body = operation.body.clone().unwrap();
                body.as_object_mut().unwrap().remove(&name);
                let without_field = Operation { body: Some(body), ..operation.clone() };
                let response =
                    operation.send_json_text(with_member(&without_field, &format!("\"{name}\":{value}"))).await;
                assert_points_to(&response, &name, &value);
                sent += 1;
            }
        }
    })
    .await;
    assert!(sent > 1000, "{sent}");
    stack.assert_unchanged_since(&before).await;
}

/// Asserts that the only error points to the field or into it, and that its detail reveals nothing about the parser.
#[track_caller]
fn assert_points_to(response: &TestResponse, name: &str, value: &str) {
    let value: String = value.chars().take(40).collect();
    assert_eq!(response.status, 422, "{name}: {value}: {} {}", response.request, response.text);
    let body = response.expect_problem(422, response.body["code"].as_str().unwrap());
    let errors = body["errors"].as_array().unwrap();
    let [error] = &errors[..] else { panic!("{name}: {value}: {} {}", response.request, response.text) };
    let pointer = error["pointer"].as_str().unwrap_or_default();
    let is_inside = pointer == format!("/{name}") || pointer.starts_with(&format!("/{name}/"));
    assert!(is_inside, "{name}: {value}: {} {}", response.request, response.text);
    let detail = error["detail"].as_str().unwrap();
    for internal in ["invalid type", "u32", "i64", "struct", "line ", "column ", "serde"] {
        assert!(!detail.contains(internal), "{name}: {value}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_64_kib_returns_413_with_or_without_content_length() {
    let stack = Stack::start_without_rate_limits().await;
    let mut operations = stack.operations().await;
    // DELETE ignores the body, so these requests would succeed.
    operations.retain(|operation| operation.method != reqwest::Method::DELETE && operation.has_json_body());
    let before = stack.snapshot_items().await;
    check_each(&operations, async |operation| {
        let mut body = with_member(operation, "\"x\":\"").into_bytes();
        body.truncate(body.len() - 1);
        body.resize(64 * 1024, b'x');
        // A body of exactly 64 KiB is read by the operations that accept a body.
        let largest = operation.send_json_text([&body[..body.len() - 2], b"\"}"].concat()).await;
        if operation.body.is_some() {
            largest.expect_errors(422, &["/x unknown_field"]);
        } else {
            assert_ne!(largest.status, 413, "{}", largest.request);
        }
        body.push(b'"');
        operation.send_json_text(body.clone()).await.expect_problem(413, "body_too_large");
        let key = stack.local.operator_api_key.expose();
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n{:x}\r\n",
            operation.method,
            operation.path,
            body.len()
        );
        let response = stack.send_raw(&[head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()).await.unwrap();
        response.expect_problem(413, "body_too_large");
    })
    .await;
    stack.assert_unchanged_since(&before).await;
}
