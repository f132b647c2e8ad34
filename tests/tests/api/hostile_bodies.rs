//! Bodies that nobody means well with, sent to every operation that reads one. Each is refused with the code that API.md
//! has for it, and nothing is written.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use signet_tests::{Operation, Stack, TestResponse, Value, json};

/// Deeper than any reader goes by itself, far within 64 KiB.
const DEEP: usize = 10_000;

/// The operations that read a body.
async fn readers(stack: &Stack) -> Vec<Operation> {
    let mut all = stack.operations().await;
    all.retain(|operation| operation.body.is_some() || operation.has_optional_body());
    assert!(all.len() >= 25, "{all:#?}");
    all
}

fn nested(open: &str, close: &str, inside: &str) -> String {
    format!("{}{inside}{}", open.repeat(DEEP), close.repeat(DEEP))
}

/// Bodies that are no JSON: RFC 8259 is the measure.
fn no_json() -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    vec![
        ("only spaces", b" \t\r\n".to_vec()),
        ("cut off", b"{\"name\": \"a\"".to_vec()),
        ("more than one", b"{}{}".to_vec()),
        ("something after it", b"{} //".to_vec()),
        ("a comma too many", b"{\"name\": \"a\",}".to_vec()),
        ("single quotes", b"{'name': 'a'}".to_vec()),
        ("a comment", b"{/* */}".to_vec()),
        ("no quotes", b"{name: 1}".to_vec()),
        ("a form", b"name=a&email=b".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><name>a</name>".to_vec()),
        ("NaN", b"{\"name\": NaN}".to_vec()),
        ("Infinity", b"{\"name\": -Infinity}".to_vec()),
        ("hexadecimal", b"{\"name\": 0x10}".to_vec()),
        ("a leading zero", b"{\"name\": 01}".to_vec()),
        ("a plus sign", b"{\"name\": +1}".to_vec()),
        ("invalid UTF-8 in a text", b"{\"name\": \"\xff\xfe\"}".to_vec()),
        ("UTF-8 in too many bytes", b"{\"name\": \"\xc0\x80\"}".to_vec()),
        ("a surrogate in UTF-8", b"{\"name\": \"\xed\xa0\x80\"}".to_vec()),
        ("invalid UTF-8 in an unknown name", b"{\"\xff\": 1}".to_vec()),
        ("Latin-1", b"{\"name\": \"Zo\xeb\"}".to_vec()),
        ("UTF-16", utf16("{\"name\": \"a\"}")),
        ("a byte order mark", b"\xef\xbb\xbf{\"name\": \"a\"}".to_vec()),
        ("a NUL", b"\0".to_vec()),
        ("a NUL in a text", b"{\"name\": \"a\0b\"}".to_vec()),
        ("a NUL after it", b"{}\0".to_vec()),
        ("a control character in a text", b"{\"name\": \"a\x1bb\"}".to_vec()),
        ("a line break in a text", b"{\"name\": \"a\nb\"}".to_vec()),
        ("a broken escape", b"{\"name\": \"\\x41\"}".to_vec()),
        ("an escape cut off", b"{\"name\": \"\\u00".to_vec()),
        ("lists that do not end", b"[".repeat(60_000)),
        ("objects that do not end", b"{\"a\":".repeat(DEEP)),
        ("deep lists with a fault in them", nested("[", "]", "x").into_bytes()),
        ("compressed", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0C\xbf\xa6\xa3\x02\0\0\0".to_vec()),
    ]
}

/// JSON that is no object.
fn no_objects() -> Vec<(&'static str, String)> {
    vec![
        ("null", "null".to_owned()),
        ("true", "true".to_owned()),
        ("a number", "-0".to_owned()),
        ("a huge number", "1e400".to_owned()),
        ("a text", "\"{}\"".to_owned()),
        ("a list", "[]".to_owned()),
        ("a list of one object", "[{}]".to_owned()),
        ("deep lists", nested("[", "]", "")),
        ("deep lists of an object", nested("[", "]", "{}")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_400_and_what_is_no_object_422() {
    let stack = Stack::start_without_rate_limits().await;
    let operations = readers(&stack).await;
    let before = stack.snapshot_items().await;
    for operation in &operations {
        for (what, body) in no_json() {
            let answer = operation.send_json_text(body).await;
            assert_eq!(answer.status, 400, "{what}: {} {}", answer.request, answer.text);
            answer.expect_problem(400, "malformed_json");
        }
        for (what, body) in no_objects() {
            let answer = operation.send_json_text(body).await;
            assert_eq!(answer.status, 422, "{what}: {} {}", answer.request, answer.text);
            answer.expect_errors(422, &[" invalid_value"]);
        }
        let empty = operation.with_caller(&stack.anonymous).send_json_text("").await;
        assert!(empty.status == if operation.is_public() { 400 } else { 401 }, "{}", empty.text);
        if !operation.has_optional_body() {
            operation.send_json_text("").await.expect_problem(400, "malformed_json");
        }
    }
    stack.assert_unchanged_since(&before).await;
}

/// A body that an operation takes, and something besides.
fn with(operation: &Operation, more: &str) -> String {
    let body = operation.body.clone().unwrap_or_else(|| json!({})).to_string();
    let comma = if body == "{}" { "" } else { "," };
    format!("{}{comma}{more}}}", body.strip_suffix('}').unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_422_whatever_it_holds() {
    let stack = Stack::start_without_rate_limits().await;
    let operations = readers(&stack).await;
    let before = stack.snapshot_items().await;
    for operation in &operations {
        for more in [
            format!("\"no_such_field\":{}", nested("[", "]", "")),
            format!("\"no_such_field\":{}", nested("{\"a\":", "}", "1")),
            "\"no_such_field\":1e400".to_owned(),
            "\"no_such_field\":123456789012345678901234567890".to_owned(),
            "\"no_such_field\":\"\\ud800\"".to_owned(),
            "\"no_such_field\":\"\\u0000\"".to_owned(),
        ] {
            operation
                .send_json_text(with(operation, &more))
                .await
                .expect_errors(422, &["/no_such_field unknown_field"]);
        }
        let twice = operation.send_json_text(with(operation, "\"x\":1,\"x\":2")).await;
        twice.expect_errors(422, &["/x unknown_field", "/x unknown_field"]);
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
            let answer = operation.send_json_text(with(operation, &format!("\"{name}\":null"))).await;
            let code = answer.body["errors"][0]["code"].clone();
            assert_eq!((answer.status, code), (422, json!("unknown_field")), "{}: {}", answer.request, answer.text);
        }
        // A name that is no Unicode is none that could be told of.
        let answer = operation.send_json_text(with(operation, "\"\\ud800\":1")).await;
        answer.expect_problem(422, "invalid_value");
    }
    stack.assert_unchanged_since(&before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_stands_twice_422() {
    let stack = Stack::start_without_rate_limits().await;
    let operations = readers(&stack).await;
    let before = stack.snapshot_items().await;
    for operation in &operations {
        for (name, value) in operation.body.iter().flat_map(|body| body.as_object().unwrap()) {
            let answer = operation.send_json_text(with(operation, &format!("\"{name}\":{value}"))).await;
            answer.expect_errors(422, &[&format!("/{name} invalid_value")]);
        }
    }
    stack.assert_unchanged_since(&before).await;
}

/// Values that are wrong wherever a value of this type belongs; each as JSON text.
fn wrong_for(kind: &str) -> Vec<String> {
    let deep = nested("[", "]", "");
    let common =
        ["{}", "{\"a\": {}}", "1e400", "-1e400", "-0", "1.5", "123456789012345678901234567890", "1E-400", &deep];
    let own: &[&str] = match kind {
        "string" => &["5", "true", "[]", "[\"a\"]", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"a\\ud83d\""],
        "integer" => {
            &["\"5\"", "true", "[]", "[5]", "1.0", "1e2", "9223372036854775808", "18446744073709551616", "\"\""]
        }
        "boolean" => &["\"true\"", "0", "1", "\"\"", "[]", "[true]"],
        "array" => &["\"a\"", "5", "true", "[5]", "[null]", "[[]]", "[{}]", "[\"\\ud800\"]"],
        other => panic!("a type that is new here: {other}"),
    };
    own.iter().chain(&common).map(|&value| value.to_owned()).collect()
}

/// The types of a body's fields, as the document tells them; a field that may be of several is left out.
fn fields(document: &Value, operation: &Operation) -> Vec<(String, String)> {
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
async fn a_value_of_another_type_422_at_its_place() {
    let stack = Stack::start_without_rate_limits().await;
    let document = stack.anonymous.get("/openapi.json").await.expect_status(200);
    let operations = readers(&stack).await;
    let before = stack.snapshot_items().await;
    let mut seen = 0;
    for operation in &operations {
        for (name, kind) in fields(&document, operation) {
            for value in wrong_for(&kind) {
                let mut body = operation.body.clone().unwrap();
                body.as_object_mut().unwrap().remove(&name);
                let whole = Operation { body: Some(body), ..operation.clone() };
                let answer = operation.send_json_text(with(&whole, &format!("\"{name}\":{value}"))).await;
                points_to(&answer, &name, &value);
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "{seen}");
    stack.assert_unchanged_since(&before).await;
}

/// It names the field, or what is in it, and says nothing of how it was read.
#[track_caller]
fn points_to(answer: &TestResponse, name: &str, value: &str) {
    let value: String = value.chars().take(40).collect();
    assert_eq!(answer.status, 422, "{name}: {value}: {} {}", answer.request, answer.text);
    let body = answer.expect_problem(422, answer.body["code"].as_str().unwrap());
    let errors = body["errors"].as_array().unwrap();
    let [error] = &errors[..] else { panic!("{name}: {value}: {} {}", answer.request, answer.text) };
    let pointer = error["pointer"].as_str().unwrap_or_default();
    let is_there = pointer == format!("/{name}") || pointer.starts_with(&format!("/{name}/"));
    assert!(is_there, "{name}: {value}: {} {}", answer.request, answer.text);
    let detail = error["detail"].as_str().unwrap();
    for inner in ["invalid type", "u32", "i64", "struct", "sequence", "line ", "column ", "serde"] {
        assert!(!detail.contains(inner), "{name}: {value}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_64_kib_413_with_its_length_or_without() {
    let stack = Stack::start_without_rate_limits().await;
    let mut operations = stack.operations().await;
    // A body that is not read changes nothing, so these would do what they are for.
    operations.retain(|operation| operation.method != reqwest::Method::DELETE);
    let before = stack.snapshot_items().await;
    for operation in &operations {
        let mut body = with(operation, "\"x\":\"").into_bytes();
        body.truncate(body.len() - 1);
        body.resize(64 * 1024, b'x');
        // One that just fits is read where one is read at all.
        let fits = operation.send_json_text([&body[..body.len() - 2], b"\"}"].concat()).await;
        if operation.body.is_some() {
            fits.expect_errors(422, &["/x unknown_field"]);
        } else {
            assert_ne!(fits.status, 413, "{}", fits.asked);
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
        let answer = stack.send_raw(&[head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()).await.unwrap();
        answer.expect_problem(413, "body_too_large");
    }
    stack.assert_unchanged_since(&before).await;
}
