//! Generates the Lambda events in `events/`, as API Gateway and the schedules of `template.yaml` send them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{Fixtures, access::Row, operations::documented_operations, text};

const TEMPLATE: &str = include_str!("../../template.yaml");
const HOST: &str = "licenses.example.com";
/// An address reserved for documentation (RFC 5737).
const CALLER: &str = "192.0.2.7";

/// Returns every event by its file name without the extension: an operation's id, or the name of a function. Values
/// that depend on the installation are placeholders, such as `${API_KEY}`.
pub fn events() -> BTreeMap<String, Value> {
    let fixtures = placeholders();
    let mut all: BTreeMap<_, _> = documented_operations()
        .map(|(method, template, spec)| {
            let body = Row::find(&method, &template).body.map(|body| body(&fixtures));
            let event = event(method.as_str(), &fixtures.path(&template), body.as_ref(), &spec);
            (text(&spec["operationId"]).to_owned(), event)
        })
        .collect();
    // A browser's first request, which the dashboard redirects to the sign-in page.
    all.insert("dashboard".to_owned(), event("GET", "/dashboard", None, &json!({})));
    // The input of the schedules in template.yaml.
    for scheduled in ["rotation", "statistics", "webhooks-feed"] {
        all.insert(scheduled.to_owned(), json!({}));
    }
    all.insert("webhooks-sender".to_owned(), queue_event());
    all
}

/// Returns the resources that the events create when they are sent in order, with placeholders for their ids.
fn placeholders() -> Fixtures {
    Fixtures {
        product: json!({
            "id": "${PRODUCT_ID}", "code": "atlas", "name": "Atlas", "description": "A map of all there is",
        }),
        feature: json!({
            "id": "${FEATURE_ID}", "product_id": "${PRODUCT_ID}", "key": "export", "name": "Export", "sort_order": 1,
        }),
        tier: json!({
            "id": "${TIER_ID}", "product_id": "${PRODUCT_ID}", "code": "pro", "name": "Pro",
            "feature_ids": ["${FEATURE_ID}"], "max_users": 5, "monthly_price": 1900, "annual_price": 19000,
            "currency": "EUR", "billing_period": "annual", "is_claimable": true, "offline_grace_seconds": 0,
            "max_borrow_seconds": 86_400,
        }),
        customer: json!({
            "id": "${CUSTOMER_ID}", "name": "Ada Lovelace", "email": "ada@example.com", "company": "Analytical Engines",
        }),
        license_id: "${LICENSE_ID}".to_owned(),
        license_key: "${LICENSE_KEY}".to_owned(),
        token: "${LICENSE_TOKEN}".to_owned(),
        activation_id: "${ACTIVATION_ID}".to_owned(),
        machine: "machine-1".to_owned(),
        new_machine: "machine-1".to_owned(),
        soon: "${TOMORROW}T00:00:00Z".to_owned(),
        api_key_id: "${API_KEY_ID}".to_owned(),
        webhook_endpoint_id: "${WEBHOOK_ENDPOINT_ID}".to_owned(),
        webhook_delivery_id: "${WEBHOOK_DELIVERY_ID}".to_owned(),
        kid: "${KID}".to_owned(),
        unique: str::to_owned,
    }
}

/// Returns an HTTP API event in payload format 2.0, with the route of template.yaml that matches it.
fn event(method: &str, target: &str, body: Option<&Value>, spec: &Value) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (route, parameters) = route(method, path);
    let mut event = json!({
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(spec),
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "a1b2c3d4e5",
            "domainName": HOST,
            "domainPrefix": "licenses",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": CALLER, "userAgent": "curl/8.14.1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "time": "15/Jan/2026:12:00:00 +0000",
            "timeEpoch": 1_768_478_400_000_u64,
        },
        "isBase64Encoded": false,
    });
    if let Some((name, value)) = query.split_once('=') {
        event["queryStringParameters"] = json!({ name: value });
    }
    if !parameters.is_empty() {
        event["pathParameters"] = Value::Object(parameters);
    }
    if let Some(body) = body {
        event["body"] = Value::String(body.to_string());
    }
    event
}

/// Returns the event of a queue with one message.
fn queue_event() -> Value {
    json!({"Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "body": r#"{"endpoint_id":"${WEBHOOK_ENDPOINT_ID}"}"#,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:signet-webhooks",
        "awsRegion": "eu-west-1",
    }]})
}

/// Returns headers with a credential that the operation accepts: an API key if possible, otherwise a bearer token.
fn headers(spec: &Value) -> Value {
    let mut headers = json!({
        "accept": "*/*", "host": HOST, "user-agent": "curl/8.14.1", "x-forwarded-for": CALLER,
        "x-forwarded-port": "443", "x-forwarded-proto": "https",
        "x-amzn-trace-id": "Root=1-6968d7c0-0123456789abcdef01234567",
    });
    // The first media type in alphabetical order that is not that of a merge patch.
    if let Some(content) = spec["requestBody"]["content"].as_object() {
        headers["content-type"] = json!(content.keys().find(|media_type| !media_type.contains("merge-patch")));
    }
    let security = spec["security"].as_array().map_or(&[][..], Vec::as_slice);
    let accepts = |scheme: &str| security.iter().any(|requirement| requirement.get(scheme).is_some());
    let is_public = security.is_empty() || security.contains(&json!({}));
    if accepts("api_key") && !is_public {
        headers["x-api-key"] = json!("${API_KEY}");
    } else if accepts("bearer") && !is_public {
        headers["authorization"] = json!("Bearer ${BEARER_TOKEN}");
    }
    headers
}

/// Returns the route of template.yaml for a request, and its path parameters. As in API Gateway, a full match has
/// priority over a greedy parameter, a route for the method over `ANY`, and `$default` matches everything else.
fn route(method: &str, path: &str) -> (String, Map<String, Value>) {
    let keys = TEMPLATE.lines().filter_map(|line| line.trim().strip_prefix("RouteKey: "));
    let matching = keys.filter_map(|key| {
        let (route_method, pattern) = key.split_once(' ')?;
        let parameters = path_parameters(pattern, path).filter(|_| route_method == "ANY" || route_method == method)?;
        Some(((pattern.ends_with("+}"), route_method == "ANY"), key, parameters))
    });
    let best = matching.min_by_key(|(rank, ..)| *rank);
    best.map_or_else(|| ("$default".to_owned(), Map::new()), |(_, key, parameters)| (key.to_owned(), parameters))
}

/// Returns the path parameters, if the path matches the pattern.
fn path_parameters(pattern: &str, path: &str) -> Option<Map<String, Value>> {
    let mut parameters = Map::new();
    let mut rest = Some(path);
    for part in pattern.split('/') {
        let remaining = rest?;
        let parameter = part.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        if let Some(greedy) = parameter.and_then(|name| name.strip_suffix('+')) {
            parameters.insert(greedy.to_owned(), json!(remaining));
            return Some(parameters);
        }
        let (first, after) = remaining.split_once('/').map_or((remaining, None), |(first, after)| (first, Some(after)));
        match parameter {
            Some(name) => drop(parameters.insert(name.to_owned(), json!(first))),
            None if part == first => {}
            None => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn route_prefers_full_matches_then_the_method_then_default() {
        let chosen = |method, path| {
            let (key, parameters) = route(method, path);
            (key, Value::Object(parameters))
        };
        let expected = |key: &str, parameters: Value| (key.to_owned(), parameters);
        let (list, below) = ("ANY /api/{version}/license-keys", "ANY /api/{version}/license-keys/{proxy+}");
        assert_eq!(chosen("GET", "/api/v1.0/license-keys"), expected(list, json!({"version": "v1.0"})));
        let parameters = json!({"version": "v1.0", "proxy": "lic_1/revoke"});
        assert_eq!(chosen("POST", "/api/v1.0/license-keys/lic_1/revoke"), expected(below, parameters));
        let heartbeat = "POST /api/{version}/license-keys/heartbeat";
        assert_eq!(chosen("POST", "/api/v1.0/license-keys/heartbeat"), expected(heartbeat, json!({"version": "v1.0"})));
        let parameters = json!({"version": "v1.0", "proxy": "heartbeat"});
        assert_eq!(chosen("GET", "/api/v1.0/license-keys/heartbeat"), expected(below, parameters));
        assert_eq!(chosen("GET", "/docs"), expected("$default", json!({})));
    }
}
