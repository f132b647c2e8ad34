//! The events of `events/`: what API Gateway and the schedule invoke the functions with.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{fixtures::Fixtures, text};

const DOCUMENT: &str = include_str!("../../functions/discovery/openapi.json");
const TEMPLATE: &str = include_str!("../../template.yaml");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const HOST: &str = "licenses.example.com";
/// Of the addresses that are kept for documentation.
const CALLER: &str = "192.0.2.7";

/// Every event, by the name of its file without its ending: an operation's id, or the function's name. What differs in each
/// installation is a placeholder, as in `${API_KEY}`.
pub fn events() -> BTreeMap<String, Value> {
    let fixtures = placeholders();
    let mut all: BTreeMap<_, _> = operations()
        .map(|(method, template, responses)| {
            (text(&responses["operationId"]).to_owned(), event(&fixtures, &method, &template, &responses))
        })
        .collect();
    // A browser's first question, which leads to where people sign in.
    all.insert("dashboard".to_owned(), event(&fixtures, "GET", "/dashboard", &json!({})));
    // What the template tells the schedules to send.
    for scheduled in ["rotation", "statistics"] {
        all.insert(scheduled.to_owned(), json!({}));
    }
    all
}

/// Every operation of the OpenAPI document: its method, its path there, and what is said of it.
fn operations() -> impl Iterator<Item = (String, String, Value)> {
    let mut document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
    let Value::Object(paths) = document["paths"].take() else { panic!("no paths") };
    paths.into_iter().flat_map(|(path, mut item)| {
        let found = METHODS.map(|method| (method.to_uppercase(), path.clone(), item[method].take()));
        found.into_iter().filter(|(_, _, responses)| responses.is_object())
    })
}

/// The things that a person makes with the events themselves, one after another.
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
            "currency": "EUR", "billing_period": "annual", "is_claimable": true,
        }),
        customer: json!({
            "id": "${CUSTOMER_ID}", "name": "Ada Lovelace", "email": "ada@example.com", "company": "Analytical Engines",
        }),
        license_id: "${LICENSE_ID}".to_owned(),
        license_key: "${LICENSE_KEY}".to_owned(),
        token: "${LICENSE_TOKEN}".to_owned(),
        activation_id: "${ACTIVATION_ID}".to_owned(),
        machine: "machine-1".to_owned(),
        newcomer: "machine-1".to_owned(),
        api_key_id: "${API_KEY_ID}".to_owned(),
        kid: "${KID}".to_owned(),
        fresh: str::to_owned,
    }
}

/// An HTTP API's event, in version 2.0 of its form, as it comes through the template's route.
fn event(fixtures: &Fixtures, method: &str, template: &str, responses: &Value) -> Value {
    let asked = fixtures.path(template);
    let (path, query) = asked.split_once('?').unwrap_or((&asked, ""));
    let (route, variables) = route(method, path);
    let body = responses.get("requestBody").map(|_| fixtures.body(method, template).to_string());
    let mut event = json!({
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(responses, body.is_some()),
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
    if !variables.is_empty() {
        event["pathParameters"] = Value::Object(variables);
    }
    if let Some(body) = body {
        event["body"] = Value::String(body);
    }
    event
}

/// The headers of a caller who may: with an API key where one will do, or else with a bearer token.
fn headers(responses: &Value, has_body: bool) -> Value {
    let mut headers = json!({
        "accept": "*/*", "host": HOST, "user-agent": "curl/8.14.1", "x-forwarded-for": CALLER,
        "x-forwarded-port": "443", "x-forwarded-proto": "https",
        "x-amzn-trace-id": "Root=1-6968d7c0-0123456789abcdef01234567",
    });
    if has_body {
        headers["content-type"] = json!("application/json");
    }
    let ways = responses["security"].as_array().map_or(&[][..], Vec::as_slice);
    let takes = |scheme: &str| ways.iter().any(|way| way.get(scheme).is_some());
    let is_open = ways.is_empty() || ways.contains(&json!({}));
    if takes("api_key") && !is_open {
        headers["x-api-key"] = json!("${API_KEY}");
    } else if takes("bearer") && !is_open {
        headers["authorization"] = json!("Bearer ${BEARER_TOKEN}");
    }
    headers
}

/// The template's route for a request, and what its variables stand for. A full match goes before one with a greedy
/// variable, one of this method before one of any, and `$default` takes the rest.
fn route(method: &str, path: &str) -> (String, Map<String, Value>) {
    let keys = TEMPLATE.lines().filter_map(|line| line.trim().strip_prefix("RouteKey: "));
    let matching = keys.filter_map(|key| {
        let (of, pattern) = key.split_once(' ')?;
        let variables = matched(pattern, path).filter(|_| of == "ANY" || of == method)?;
        Some(((pattern.ends_with("+}"), of == "ANY"), key, variables))
    });
    let best = matching.min_by_key(|(rank, ..)| *rank);
    best.map_or_else(|| ("$default".to_owned(), Map::new()), |(_, key, variables)| (key.to_owned(), variables))
}

/// What a pattern's variables stand for, if it matches.
fn matched(pattern: &str, path: &str) -> Option<Map<String, Value>> {
    let mut variables = Map::new();
    let mut rest = Some(path);
    for part in pattern.split('/') {
        let left = rest?;
        let variable = part.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        if let Some(greedy) = variable.and_then(|name| name.strip_suffix('+')) {
            variables.insert(greedy.to_owned(), json!(left));
            return Some(variables);
        }
        let (first, after) = left.split_once('/').map_or((left, None), |(first, after)| (first, Some(after)));
        match variable {
            Some(name) => drop(variables.insert(name.to_owned(), json!(first))),
            None if part == first => {}
            None => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_chosen_as_api_gateway_does() {
        let chosen = |method, path| {
            let (key, variables) = route(method, path);
            (key, Value::Object(variables))
        };
        let of = |key: &str, variables: Value| (key.to_owned(), variables);
        let (list, below) = ("ANY /api/{version}/license-keys", "ANY /api/{version}/license-keys/{proxy+}");
        assert_eq!(chosen("GET", "/api/v1.0/license-keys"), of(list, json!({"version": "v1.0"})));
        let variables = json!({"version": "v1.0", "proxy": "lic_1/revoke"});
        assert_eq!(chosen("POST", "/api/v1.0/license-keys/lic_1/revoke"), of(below, variables));
        let own = "POST /api/{version}/license-keys/heartbeat";
        assert_eq!(chosen("POST", "/api/v1.0/license-keys/heartbeat"), of(own, json!({"version": "v1.0"})));
        let variables = json!({"version": "v1.0", "proxy": "heartbeat"});
        assert_eq!(chosen("GET", "/api/v1.0/license-keys/heartbeat"), of(below, variables));
        assert_eq!(chosen("GET", "/docs"), of("$default", json!({})));
    }
}
