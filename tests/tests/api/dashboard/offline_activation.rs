//! Offline activation in the dashboard: requests as text, files and photos, and license files.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use qrcode::QrCode;
use signet_tests::{Browser, HtmlPage, IssuedLicense, Stack, Value, json, text};

const MONTH: i64 = 30 * 86_400;

/// Issues a license key whose seats can be borrowed for a month.
async fn lendable(stack: &Stack) -> IssuedLicense {
    stack.operator.issue_new_license_with(&json!({"max_users": 1, "max_borrow_seconds": MONTH})).await
}

fn page_path(setup: &IssuedLicense) -> String {
    format!("/dashboard/license-keys/{}/offline-activation", setup.license_id)
}

/// Returns the text that an app shows.
fn request(setup: &IssuedLicense, machine_id: &str) -> String {
    let request = json!({"product": setup.product["code"], "machine_id": machine_id, "machine_name": "Press 3"});
    format!("signet-request/1:{}", BASE64URL_NOPAD.encode(request.to_string().as_bytes()))
}

/// Returns a PNG file with a QR code.
fn qr_code(text: &str) -> Vec<u8> {
    let code = QrCode::new(text).unwrap();
    let image = code.render::<char>().module_dimensions(4, 4).dark_color('\0').light_color('\u{ff}').build();
    let pixels: Vec<u8> = image.chars().filter(|char| *char != '\n').map(|char| char as u8).collect();
    let width = u32::try_from(image.lines().next().unwrap().chars().count()).unwrap();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, u32::try_from(pixels.len()).unwrap() / width);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    file
}

/// Returns the license file that a page offers as a download.
#[track_caller]
fn license_file(page: &HtmlPage) -> Value {
    let shown = page.expect_status(200);
    let encoded = shown.split("data:application/json;base64,").nth(1).expect("a download").split('"').next().unwrap();
    serde_json::from_slice(&BASE64.decode(encoded.as_bytes()).unwrap()).unwrap()
}

/// Returns the claims of the token in a license file.
fn claims(file: &Value) -> Value {
    let payload = text(&file["token"]).split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn operator_activates_an_offline_machine_with_a_pasted_request() {
    let stack = Stack::start().await;
    let setup = lendable(&stack).await;
    let mut grace = Browser::operator(&stack).await;
    let license = format!("/dashboard/license-keys/{}", setup.license_id);
    assert!(grace.get(&license).await.expect_status(200).contains("Activate an offline machine"));
    let form = grace.get(&page_path(&setup)).await;
    assert!(form.expect_status(200).contains("value=\"2026-02-14T12:00\""), "the longest time: {}", form.text);

    // As from an email: wrapped, with spaces.
    let pasted = request(&setup, "press-3")
        .as_bytes()
        .chunks(30)
        .map(|line| String::from_utf8_lossy(line) + "\r\n  ")
        .collect::<String>();
    let fields = [("request", &*pasted), ("valid_until", "2026-02-01T08:00")];
    let created = grace.submit_multipart(&page_path(&setup), &fields, None).await;
    let file = license_file(&created);
    for words in ["Press 3", "press-3", "1 Feb 2026, 08:00:00 UTC", "an operator can free it"] {
        assert!(created.text.contains(words), "{words}: {}", created.text);
    }
    let code = text(&setup.product["code"]);
    assert!(created.text.contains(&format!("download=\"{code}.signet-license\"")), "{}", created.text);
    assert_eq!((&file["format"], &file["product"]), (&json!("signet-license/1"), &setup.product["code"]));
    let claims = claims(&file);
    assert_eq!(claims["activation"]["machine_id"], "press-3");
    assert_eq!(claims["exp"], json!("2026-02-01T08:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second()));
    assert!(grace.get(&license).await.expect_status(200).contains("1 of 1"));
}

#[tokio::test]
async fn customer_activates_an_offline_machine_with_a_photo_or_a_file() {
    let stack = Stack::start().await;
    let setup = lendable(&stack).await;
    let mut ada = Browser::signed_in(&stack, "ada@example.com").await;
    ada.submit_form("/dashboard/welcome", &[("name", "Ada Lovelace")]).await.redirect();
    let customers = stack.operator.get("customers?email=ada@example.com").await;
    let issued = stack.operator.issue(&customers.body["items"][0], &setup.tier, &json!({})).await;
    let license = format!("/dashboard/licenses/{}", text(&issued["license"]["id"]));
    let path = format!("{license}/offline-activation");
    assert!(ada.get(&license).await.expect_status(200).contains(&path));
    let request = request(&setup, "press-3");
    let photo = qr_code(&request);
    for (name, content) in [("photo.png", &*photo), ("request.txt", request.as_bytes())] {
        let fields = [("request", "replaced by the file"), ("valid_until", "2026-02-01T08:00")];
        let created = ada.submit_multipart(&path, &fields, Some((name, content))).await;
        assert_eq!(claims(&license_file(&created))["activation"]["machine_id"], "press-3", "{name}");
        assert!(created.text.contains("can&#39;t be freed earlier") || created.text.contains("can't be freed earlier"));
    }
    // Another customer's license is not found.
    let other = format!("/dashboard/licenses/{}/offline-activation", setup.license_id);
    ada.get(&other).await.expect_status(404);
}

#[tokio::test]
async fn form_is_offered_only_where_seats_can_be_borrowed() {
    let stack = Stack::start().await;
    let setup = stack.operator.issue_new_license(2).await;
    let mut grace = Browser::operator(&stack).await;
    let license = format!("/dashboard/license-keys/{}", setup.license_id);
    assert!(!grace.get(&license).await.expect_status(200).contains("offline"));
    grace.get(&page_path(&setup)).await.expect_status(404);

    let setup = lendable(&stack).await;
    stack.operator.post(&format!("license-keys/{}/suspend", setup.license_id), json!({})).await.expect_status(200);
    grace.get(&page_path(&setup)).await.expect_status(404);
}

#[tokio::test]
async fn rejected_requests_are_explained_in_the_form() {
    let stack = Stack::start().await;
    let setup = lendable(&stack).await;
    let other = lendable(&stack).await;
    let mut grace = Browser::operator(&stack).await;
    let (valid, soon) = (request(&setup, "press-3"), "2026-02-01T08:00");
    let of_other = request(&other, "press-3");
    let other_code = qr_code("https://example.com");
    let large = vec![0xff; 4_000_001];
    let cut_off = &valid[..valid.len() - 9];
    for (request, file, until, status, words) in [
        ("", None, soon, 422, "Paste the request, or choose a photo or file of it."),
        ("press-3", None, soon, 422, "This is not a request."),
        (cut_off, None, soon, 422, "cut off or damaged"),
        (&*of_other, None, soon, 422, "This request is for"),
        (&*valid, None, "", 422, "Choose a date and time."),
        (&*valid, None, "2025-02-01T08:00", 422, "id=\"f-valid_until-error\""),
        (&*valid, None, "2027-02-01T08:00", 403, "borrow"),
        ("", Some(&b"\x89PNG\r\n\x1a\nx"[..]), soon, 422, "The image is damaged."),
        ("", Some(&b"\xff\xfe\x00"[..]), soon, 422, "This is not a PNG or JPEG file."),
        ("", Some(&other_code[..]), soon, 422, "This is not a request."),
        ("", Some(&large[..]), soon, 422, "The file is larger than 4 MB."),
    ] {
        let fields = [("request", request), ("valid_until", until)];
        let file = file.map(|content| ("photo.png", content));
        let rejected = grace.submit_multipart(&page_path(&setup), &fields, file).await;
        let page = rejected.expect_status(status);
        assert!(page.contains(words), "{words}: {page}");
        assert!(page.contains("enctype=\"multipart/form-data\"") && page.contains(request), "{page}");
    }
    let list = format!("license-activations?license_id={}", setup.license_id);
    assert_eq!(stack.operator.get(&list).await.body["items"], json!([]));

    let huge = vec![0; 6_000_001];
    let refused = grace.submit_multipart(&page_path(&setup), &[], Some(("photo.png", &huge))).await;
    refused.expect_status(413);
    let elsewhere = grace.submit_multipart("/dashboard/customers/new", &[], Some(("photo.png", &huge[..70_000]))).await;
    elsewhere.expect_status(413);
}

#[tokio::test]
async fn full_license_is_explained_in_the_form() {
    let stack = Stack::start().await;
    let setup = lendable(&stack).await;
    stack.anonymous.activate(&setup.license_key, "m-1").await.expect_status(201);
    let mut grace = Browser::operator(&stack).await;
    let request = request(&setup, "press-3");
    let fields = [("request", &*request), ("valid_until", "2026-02-01T08:00")];
    let rejected = grace.submit_multipart(&page_path(&setup), &fields, None).await;
    let page = rejected.expect_status(409);
    assert!(page.contains("seat") && page.contains(&*request), "{page}");
}

#[tokio::test]
async fn form_without_origin_headers_requires_the_csrf_token() {
    let stack = Stack::start().await;
    let setup = lendable(&stack).await;
    let mut grace = Browser::operator(&stack).await;
    grace.form_headers.clear();
    let request = request(&setup, "press-3");
    let fields = [("request", &*request), ("valid_until", "2026-02-01T08:00")];
    license_file(&grace.submit_multipart(&page_path(&setup), &fields, None).await);
    let refused = grace.post_multipart(&page_path(&setup), &fields, None).await;
    assert!(refused.expect_status(403).contains("access"));
}
