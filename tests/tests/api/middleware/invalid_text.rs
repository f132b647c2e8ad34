//! Unicode in text fields: which characters each field accepts, rejects, treats as different or treats as equal.
//!
//! | field | look-alikes and other forms of a letter | invisible and bidirectional control characters |
//! |---|---|---|
//! | names and other display text | accepted | rejected |
//! | codes, feature keys, email addresses | rejected: only ASCII | rejected |
//! | key strings | rejected, except I, L and O, read as 1, 1 and 0 | rejected, except spaces and dashes, which are ignored |
//! | machine ids | another machine | another machine, except control characters, which are rejected |

use signet_tests::{Client, Stack, Value, check_each, json, listed, merged, random_word, text};

/// A description, a name, and whether the name is accepted.
const NAMES: [(&str, &str, bool); 34] = [
    ("plain", "Ada Lovelace", true),
    ("a Cyrillic а", "Аda", true),
    ("fullwidth", "\u{ff21}da", true),
    ("a combining accent", "Zoe\u{301}", true),
    ("many combining accents", "A\u{301}\u{301}\u{301}\u{301}\u{301}da", true),
    ("a ligature", "\u{fb01}n", true),
    ("Arabic", "آدا", true),
    ("Persian with a zero-width non-joiner", "کتاب\u{200c}خانه", true),
    ("an emoji of several code points", "👩\u{200d}💻", true),
    ("a variation selector", "❤\u{fe0f}", true),
    ("a quote", "O'Neil \"the <b>\" & sons; --", true),
    ("a path", "../../etc/passwd", true),
    ("format strings", "%s%n{0}${jndi:ldap://x}{{7*7}}", true),
    ("a noncharacter", "\u{ffff}", true),
    ("a private use character", "\u{e000}", true),
    ("a zero-width space", "A\u{200b}da", false),
    ("a zero-width joiner between Latin letters", "A\u{200d}da", false),
    ("a trailing zero-width non-joiner", "Ada\u{200c}", false),
    ("a word joiner", "A\u{2060}da", false),
    ("a byte order mark", "\u{feff}Ada", false),
    ("a soft hyphen", "A\u{ad}da", false),
    ("a combining grapheme joiner", "A\u{34f}da", false),
    ("right-to-left override", "Ada\u{202e}gpj.exe", false),
    ("right-to-left isolate", "Ada\u{2067}x\u{2069}", false),
    ("a right-to-left mark", "Ada\u{200f}", false),
    ("a tag character", "Ada\u{e0041}", false),
    ("a Hangul filler", "\u{3164}", false),
    ("interlinear annotation characters", "Ada\u{fff9}x\u{fffb}", false),
    ("NUL", "Ada\0", false),
    ("escape", "Ada\u{1b}[31m", false),
    ("delete", "Ada\u{7f}", false),
    ("a control character of Latin-1", "Ada\u{85}", false),
    ("only spaces", " \u{a0}\u{3000}", false),
    ("empty", "", false),
];

/// Returns each request with a display name: the client, the path, the rest of the body, and the field.
async fn display_name_fields(stack: &Stack) -> Vec<(Client, String, Value, &'static str)> {
    let license = stack.operator.issue_new_license(50).await;
    let operator = || stack.operator.clone();
    let product = json!({"product_id": license.product["id"]});
    let tier = json!({
        "monthly_price": 1, "annual_price": 1, "currency": "EUR", "billing_period": "annual", "max_users": 5,
    });
    let email = || format!("{}@example.com", random_word("ada"));
    vec![
        (operator(), "products".to_owned(), json!({"code": "NEW"}), "name"),
        (operator(), "product-features".to_owned(), merged(product.clone(), &json!({"key": "NEW"})), "name"),
        (operator(), "pricing-tiers".to_owned(), merged(merged(product, &tier), &json!({"code": "NEW"})), "name"),
        (operator(), "customers".to_owned(), json!({"email": "NEW"}), "name"),
        (operator(), "customers".to_owned(), json!({"name": "Ada", "email": "NEW"}), "company"),
        (operator(), "api-keys".to_owned(), json!({"scopes": ["licenses:read"]}), "name"),
        (
            stack.anonymous.clone(),
            "license-activations/activate".to_owned(),
            json!({"license_key": license.license_key, "machine_id": "one"}),
            "machine_name",
        ),
        (
            stack.anonymous.clone(),
            "license-activations/activate".to_owned(),
            json!({"license_key": license.license_key, "machine_id": "two"}),
            "os",
        ),
        (stack.sign_in(&email(), "openid email").await, "register".to_owned(), json!({}), "name"),
    ]
}

/// Replaces the values `NEW` by unique ones.
fn with_unique_values(mut body: Value) -> Value {
    for (name, value) in body.as_object_mut().unwrap() {
        if *value == "NEW" {
            let word = random_word("x");
            *value = json!(if name == "email" { format!("{word}@example.com") } else { word });
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn display_names_with_invisible_characters_return_422() {
    let stack = Stack::start_without_rate_limits().await;
    check_each(display_name_fields(&stack).await, async |(client, path, body, field)| {
        for (description, name, is_valid) in NAMES {
            let mut body = with_unique_values(body.clone());
            body[field] = json!(name);
            let response = client.post(&path, body).await;
            if is_valid {
                assert!(matches!(response.status, 200 | 201), "{description}: {} {}", response.request, response.text);
                let returned = response.body.get("activation").unwrap_or(&response.body);
                let is_new = path != "register" || response.status == 201;
                assert!(
                    !is_new || returned[field] == name,
                    "{description}: the name is returned unchanged: {}",
                    response.text
                );
            } else if matches!(field, "machine_name" | "os") && description == "only spaces" {
                assert_eq!(response.status, 200, "{}", response.text);
            } else if path == "register" {
                // The user is registered by then, so the body may be ignored.
                assert!(matches!(response.status, 200 | 422), "{description}: {}", response.text);
            } else {
                assert_eq!(response.status, 422, "{description}: {} {}", response.request, response.text);
                response.expect_errors(422, &[&format!("/{field} invalid_value")]);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn register_returns_422_for_a_name_with_invisible_characters() {
    let stack = Stack::start_without_rate_limits().await;
    let ada = stack.sign_in("ada@example.com", "openid email").await;
    for (description, name, is_valid) in NAMES {
        if !is_valid {
            let response = ada.post("register", json!({"name": name})).await;
            assert_eq!(response.status, 422, "{description}: {}", response.text);
            response.expect_errors(422, &["/name invalid_value"]);
        }
    }
}

#[tokio::test]
async fn multiline_texts_accept_line_breaks_but_no_invisible_characters() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let suspend = async |reason: String| {
        stack.operator.post(&format!("license-keys/{id}/suspend"), json!({ "reason": reason })).await
    };
    let describe = async |description: String| {
        let body = json!({"code": random_word("p"), "name": "Atlas", "description": description});
        stack.operator.post("products", body).await
    };
    for invalid in ["\u{202e}", "\0", "\u{200b}", "a\u{1b}b", "\u{2028}"] {
        suspend(invalid.to_owned()).await.expect_errors(422, &["/reason invalid_value"]);
        describe(invalid.to_owned()).await.expect_errors(422, &["/description invalid_value"]);
    }
    suspend("x".repeat(501)).await.expect_errors(422, &["/reason invalid_value"]);
    describe("é".repeat(2001)).await.expect_errors(422, &["/description invalid_value"]);
    describe("é\r\n\tä\n".repeat(300)).await.expect_status(201);
    suspend("one\r\n\ttwo\n".to_owned()).await.expect_status(200);
}

#[tokio::test]
async fn codes_feature_keys_and_email_addresses_must_be_ascii() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product().await;
    for code in [
        "\u{430}tlas",
        "\u{ff41}tlas",
        "atlas\u{200b}",
        "atla\u{301}s",
        "\u{202e}atlas",
        "atlas\0",
        "atlas\n",
        "ATLAS",
        "at las",
        "at_las",
        "at.las",
        "-atlas",
        "a",
        "ſtlas",
        "\u{212a}elvin",
        "١٢٣",
    ] {
        let body = json!({"code": code, "name": "Atlas"});
        stack.operator.post("products", body).await.expect_errors(422, &["/code invalid_value"]);
        if !matches!(code, "at_las" | "at.las" | "a") {
            let body = json!({"product_id": product["id"], "key": code, "name": "Atlas"});
            stack.operator.post("product-features", body).await.expect_errors(422, &["/key invalid_value"]);
        }
    }
    for email in [
        "\u{430}da@example.com",
        "ada@ex\u{430}mple.com",
        "ada\u{200b}@example.com",
        "ada@example\u{3002}com",
        "ada\u{ff20}example.com",
        "ada@example.com\0",
        "ada@example.com\r\nBcc: eve@example.com",
        " ada@example.com",
        "ada@example.com ",
        "<ada@example.com>",
        "\"ada\"@example.com",
        "ada@[127.0.0.1]",
        "ada@example",
        "ada@@example.com",
        "ada@example.com@evil.com",
        "ada@exam_ple.com",
        "ada,eve@example.com",
        "\u{202e}ada@example.com",
        "ada@xn--\u{e9}.com",
    ] {
        let body = json!({"name": "Ada", "email": email});
        stack.operator.post("customers", body).await.expect_errors(422, &["/email invalid_value"]);
    }
}

#[tokio::test]
async fn email_addresses_are_case_insensitive_but_look_alikes_differ() {
    let stack = Stack::start().await;
    let body = json!({"name": "Kate", "email": "Kate@Example.com"});
    let customer = stack.operator.post("customers", body).await.expect_status(201);
    stack
        .operator
        .post("customers", json!({"name": "K", "email": "kATE@eXAMPLE.COM"}))
        .await
        .expect_problem(409, "email_taken");
    let find = async |email: &str| {
        let find = |request: reqwest::RequestBuilder| request.query(&[("email", email)]);
        stack.operator.send(reqwest::Method::GET, "customers", find).await.expect_status(200)["items"].clone()
    };
    assert_eq!(find("KATE@example.COM").await, json!([listed(&customer)]));
    // Unicode lower-cases the Kelvin sign (U+212A) to k.
    for other in [
        "\u{212a}ate@example.com",
        "\u{ff4b}ate@example.com",
        "kate@ex\u{430}mple.com",
        "kate@example.com\u{200b}",
        "kat\0",
    ] {
        assert_eq!(find(other).await, json!([]), "{other:?}");
    }
}

#[tokio::test]
async fn key_strings_ignore_case_and_separators_but_reject_look_alikes() {
    let stack = Stack::start_without_rate_limits().await;
    let license = stack.operator.issue_new_license(50).await;
    let key = &license.license_key;
    let is_key = async |typed: &str| {
        let body = json!({ "license_key": typed });
        let code = stack.anonymous.post("license-keys/validate", body).await.expect_status(200)["code"].clone();
        let activated = stack.anonymous.activate(typed, "one").await;
        let is_active = matches!(activated.status, 200 | 201);
        if !is_active {
            activated.expect_problem(404, "not_found");
        }
        assert_eq!(code == "valid", is_active, "{typed}: {code}");
        is_active
    };
    for same in [
        key.to_lowercase(),
        key.replace('-', ""),
        key.replace('-', " "),
        format!("  {key}\t\r\n"),
        key.replace('-', "\u{2013}"),
        key.replace('-', "\u{a0}"),
        key.replace('0', "o"),
        key.replace('1', "l"),
        key.replace('1', "I"),
    ] {
        assert!(is_key(&same).await, "{same}");
    }
    let fullwidth: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { char::from_u32(c as u32 + 0xfee0).unwrap() } else { c })
        .collect();
    let last = key.chars().last().unwrap();
    let wrong = if last == '2' { '3' } else { '2' };
    for other in [
        fullwidth,
        format!("{key}\u{200b}"),
        format!("\u{feff}{key}"),
        key.replace('-', "_"),
        key.replace('-', "\u{2212}"),
        format!("{}{wrong}", &key[..key.len() - 1]),
        key[1..].to_owned(),
        key[..key.len() - 1].to_owned(),
        format!("{key}{key}"),
        format!("{key}\0"),
        format!("{key}%00"),
        format!("{key}' OR '1'='1"),
        "-".repeat(64_000),
        "0".repeat(40),
        String::new(),
        "P-\u{130}".repeat(50),
        license.license_id.clone(),
        text(&license.issued["token"]).to_owned(),
    ] {
        assert!(!is_key(&other).await, "{other:?}");
    }
}

#[tokio::test]
async fn machine_ids_are_compared_byte_by_byte() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(20).await;
    let machines = [
        "zo\u{eb}",
        "zoe\u{308}",
        "a",
        "\u{430}",
        "\u{ff41}",
        "A",
        "a ",
        " a",
        "a\u{200b}",
        "\u{202e}a",
        "\u{feff}a",
        "ﬁ",
        "fi",
        "%61",
        "a/../a",
        "a#b",
    ];
    let mut tokens = Vec::new();
    for machine in machines {
        let activated = stack.anonymous.activate(&license.license_key, machine).await.expect_status(201);
        assert_eq!(activated["activation"]["machine_id"], machine);
        tokens.push(text(&activated["token"]).to_owned());
    }
    assert_eq!(stack.check_seats(&license.license_id).await.held.len(), machines.len());
    for (token, machine) in tokens.iter().zip(machines) {
        stack.anonymous.heartbeat(token, machine).await.expect_status(200);
        for other in machines.iter().filter(|other| **other != machine) {
            stack.anonymous.heartbeat(token, other).await.expect_problem(403, "machine_mismatch");
        }
    }
    let before = stack.snapshot_items().await;
    for invalid in ["", "\0", "a\nb", "a\u{85}", "\u{7f}", &"a".repeat(257), &"é".repeat(129)] {
        let response = stack.anonymous.activate(&license.license_key, invalid).await;
        response.expect_errors(422, &["/machine_id invalid_value"]);
        stack.anonymous.heartbeat(&tokens[0], invalid).await.expect_problem(403, "machine_mismatch");
    }
    stack.assert_unchanged_since(&before).await;
    stack.anonymous.activate(&license.license_key, &"é".repeat(128)).await.expect_status(201);
}
