//! Letters that look like others, that show nothing, or that are several for one: what is refused, what is another, and
//! what is folded into one.
//!
//! | where | look-alikes and other forms of a letter | what shows nothing or turns the writing round |
//! |---|---|---|
//! | names and texts for people | letters like any other | refused |
//! | codes, feature keys, e-mail addresses | refused: ASCII alone | refused |
//! | key strings | refused, but I, L and O, which are read as 1, 1 and 0 | refused, but spaces and dashes, which don't count |
//! | machine ids | another machine | another machine, but control characters, which are refused |
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use signet_tests::{Client, Stack, Value, json, merged, random_word, text};

/// A name, and whether people may be shown it.
const NAMES: [(&str, &str, bool); 34] = [
    ("plain", "Ada Lovelace", true),
    ("a Cyrillic а", "Аda", true),
    ("fullwidth", "\u{ff21}da", true),
    ("a combining accent", "Zoe\u{301}", true),
    ("many combining accents", "A\u{301}\u{301}\u{301}\u{301}\u{301}da", true),
    ("a ligature", "\u{fb01}n", true),
    ("Arabic", "آدا", true),
    ("Persian with a joiner", "کتاب\u{200c}خانه", true),
    ("an emoji of several", "👩\u{200d}💻", true),
    ("an emoji's form", "❤\u{fe0f}", true),
    ("a quote", "O'Neil \"the <b>\" & sons; --", true),
    ("a path", "../../etc/passwd", true),
    ("a format", "%s%n{0}${jndi:ldap://x}{{7*7}}", true),
    ("no character", "\u{ffff}", true),
    ("for private use", "\u{e000}", true),
    ("a zero-width space", "A\u{200b}da", false),
    ("a joiner between Latin letters", "A\u{200d}da", false),
    ("a non-joiner at the end", "Ada\u{200c}", false),
    ("a word joiner", "A\u{2060}da", false),
    ("a byte order mark", "\u{feff}Ada", false),
    ("a soft hyphen", "A\u{ad}da", false),
    ("a grapheme joiner", "A\u{34f}da", false),
    ("right-to-left override", "Ada\u{202e}gpj.exe", false),
    ("right-to-left isolate", "Ada\u{2067}x\u{2069}", false),
    ("a right-to-left mark", "Ada\u{200f}", false),
    ("a tag", "Ada\u{e0041}", false),
    ("a filler", "\u{3164}", false),
    ("an annotation", "Ada\u{fff9}x\u{fffb}", false),
    ("NUL", "Ada\0", false),
    ("escape", "Ada\u{1b}[31m", false),
    ("delete", "Ada\u{7f}", false),
    ("a control character of Latin-1", "Ada\u{85}", false),
    ("only spaces", " \u{a0}\u{3000}", false),
    ("nothing", "", false),
];

/// Where a name for people is written, the rest of the body, and the field.
async fn places(stack: &Stack) -> Vec<(Client, String, Value, &'static str)> {
    let sold = stack.operator.issue_new_license(50).await;
    let operator = || stack.operator.clone();
    let product = json!({"product_id": sold.product["id"]});
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
            json!({"license_key": sold.license_key, "machine_id": "one"}),
            "machine_name",
        ),
        (stack.sign_in(&email(), "openid email").await, "register".to_owned(), json!({}), "name"),
    ]
}

/// A field that must be another in each body.
fn renewed(mut body: Value) -> Value {
    for (name, value) in body.as_object_mut().unwrap() {
        if *value == "NEW" {
            let word = random_word("x");
            *value = json!(if name == "email" { format!("{word}@example.com") } else { word });
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn names_for_people_hide_nothing() {
    let stack = Stack::start_without_rate_limits().await;
    for (client, path, body, field) in places(&stack).await {
        for (what, name, is_taken) in NAMES {
            let mut body = renewed(body.clone());
            body[field] = json!(name);
            let answer = client.post(&path, body).await;
            if is_taken {
                assert!(matches!(answer.status, 200 | 201), "{what}: {} {}", answer.request, answer.text);
                let shown = answer.body.get("activation").unwrap_or(&answer.body);
                let is_first = path != "register" || answer.status == 201;
                assert!(!is_first || shown[field] == name, "{what}: it is shown as it was sent: {}", answer.text);
            } else if field == "machine_name" && what == "only spaces" {
                assert_eq!(answer.status, 200, "{}", answer.text);
            } else if path == "register" {
                // Who is registered is known by then, whatever is said now.
                assert!(matches!(answer.status, 200 | 422), "{what}: {}", answer.text);
            } else {
                assert_eq!(answer.status, 422, "{what}: {} {}", answer.request, answer.text);
                answer.expect_errors(422, &[&format!("/{field} invalid_value")]);
            }
        }
    }
}

#[tokio::test]
async fn who_registers_hides_nothing_either() {
    let stack = Stack::start_without_rate_limits().await;
    let ada = stack.sign_in("ada@example.com", "openid email").await;
    for (what, name, is_taken) in NAMES {
        if !is_taken {
            let answer = ada.post("register", json!({"name": name})).await;
            assert_eq!(answer.status, 422, "{what}: {}", answer.text);
            answer.expect_errors(422, &["/name invalid_value"]);
        }
    }
}

#[tokio::test]
async fn longer_texts_break_their_lines_and_hide_nothing_else() {
    let stack = Stack::start().await;
    let id = stack.operator.issue_new_license(1).await.license_id;
    let suspend = async |reason: String| {
        stack.operator.post(&format!("license-keys/{id}/suspend"), json!({ "reason": reason })).await
    };
    let describe = async |description: String| {
        let body = json!({"code": random_word("p"), "name": "Atlas", "description": description});
        stack.operator.post("products", body).await
    };
    for bad in ["\u{202e}", "\0", "\u{200b}", "a\u{1b}b", "\u{2028}"] {
        suspend(bad.to_owned()).await.expect_errors(422, &["/reason invalid_value"]);
        describe(bad.to_owned()).await.expect_errors(422, &["/description invalid_value"]);
    }
    suspend("x".repeat(501)).await.expect_errors(422, &["/reason invalid_value"]);
    describe("é".repeat(2001)).await.expect_errors(422, &["/description invalid_value"]);
    describe("é\r\n\tä\n".repeat(300)).await.expect_status(201);
    suspend("one\r\n\ttwo\n".to_owned()).await.expect_status(200);
}

#[tokio::test]
async fn codes_keys_and_addresses_are_ascii() {
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
async fn an_address_is_one_whatever_its_case_and_no_look_alikes() {
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
    assert_eq!(find("KATE@example.COM").await, json!([customer]));
    // The sign for Kelvin is a k in lower case, to Unicode.
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
async fn a_key_string_is_read_as_it_is_typed_and_not_as_it_looks() {
    let stack = Stack::start_without_rate_limits().await;
    let sold = stack.operator.issue_new_license(50).await;
    let key = &sold.license_key;
    let ask = async |typed: &str| {
        let body = json!({ "license_key": typed });
        let verdict = stack.anonymous.post("license-keys/validate", body).await.expect_status(200)["code"].clone();
        let activated = stack.anonymous.activate(typed, "one").await;
        let is_known = matches!(activated.status, 200 | 201);
        if !is_known {
            activated.expect_problem(404, "not_found");
        }
        assert_eq!(verdict == "valid", is_known, "{typed}: {verdict}");
        is_known
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
        assert!(ask(&same).await, "{same}");
    }
    let wide: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { char::from_u32(c as u32 + 0xfee0).unwrap() } else { c })
        .collect();
    let last = key.chars().last().unwrap();
    let wrong = if last == '2' { '3' } else { '2' };
    for other in [
        wide,
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
        sold.license_id.clone(),
        text(&sold.issued["token"]).to_owned(),
    ] {
        assert!(!ask(&other).await, "{other:?}");
    }
}

#[tokio::test]
async fn a_machine_is_known_by_its_bytes() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(20).await;
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
        let activated = stack.anonymous.activate(&sold.license_key, machine).await.expect_status(201);
        assert_eq!(activated["activation"]["machine_id"], machine);
        tokens.push(text(&activated["token"]).to_owned());
    }
    assert_eq!(stack.check_seats(&sold.license_id).await.held.len(), machines.len());
    for (token, machine) in tokens.iter().zip(machines) {
        stack.anonymous.heartbeat(token, machine).await.expect_status(200);
        for other in machines.iter().filter(|other| **other != machine) {
            stack.anonymous.heartbeat(token, other).await.expect_problem(403, "machine_mismatch");
        }
    }
    let before = stack.snapshot_items().await;
    for bad in ["", "\0", "a\nb", "a\u{85}", "\u{7f}", &"a".repeat(257), &"é".repeat(129)] {
        let answer = stack.anonymous.activate(&sold.license_key, bad).await;
        answer.expect_errors(422, &["/machine_id invalid_value"]);
        stack.anonymous.heartbeat(&tokens[0], bad).await.expect_problem(403, "machine_mismatch");
    }
    stack.assert_unchanged_since(&before).await;
    stack.anonymous.activate(&sold.license_key, &"é".repeat(128)).await.expect_status(201);
}
