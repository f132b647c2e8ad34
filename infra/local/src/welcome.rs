//! What is printed when it answers.

use std::fmt::Write;

use shared::domain::Secret;
use signet_local::{Demo, Stack};

/// What a person who has just started it wants to know.
pub(crate) fn welcome(stack: &Stack) -> String {
    let (url, key) = (&stack.base_url, stack.operator_api_key.expose());
    let issuer = stack.app.issuer();
    let oidc = &stack.oidc_issuer;
    let (demo, first) =
        stack.demo.as_ref().map_or_else(|| (String::new(), first_product(url, key)), |demo| tour(url, key, demo));
    format!(
        "Signet answers at {url}

  dashboard             {url}/dashboard
  API                   {url}/api/v1.0
  try it in a browser   {url}/docs
  OpenAPI document      {url}/openapi.json
  public signing keys   {url}/.well-known/jwks.json
  issuer of the tokens  {issuer}
  operator's API key    {key}
  sign-in issuer        {oidc}    for development: anybody may be anybody
{demo}
Try:

{first}
A bearer token, in access_token:

  curl {oidc}/token -d grant_type=password -d client_id=signet-dashboard -d username=ada@example.com -d password=any -d 'scope=openid role:operator'

Ctrl-C stops it."
    )
}

/// What to try where there is nothing yet.
fn first_product(url: &str, key: &str) -> String {
    format!(
        "  curl {url}/api/v1.0/products -H 'X-Api-Key: {key}' -H 'Content-Type: application/json' \
         -d '{{\"code\": \"atlas\", \"name\": \"Atlas\"}}'\n"
    )
}

/// What there is to look at, and what to try with it.
fn tour(url: &str, key: &str, demo: &Demo) -> (String, String) {
    let mut there = format!("  demo data             {}\n", demo.summary);
    let mut first = format!("  curl {url}/api/v1.0/license-keys -H 'X-Api-Key: {key}'\n");
    if let Some(license_key) = demo.license_key.as_ref().map(Secret::expose) {
        let _ = writeln!(there, "  a license key         {license_key}");
        let _ = writeln!(
            first,
            "  curl {url}/api/v1.0/license-activations/activate -H 'Content-Type: application/json' \
             -d '{{\"license_key\": \"{license_key}\", \"machine_id\": \"my-machine\"}}'"
        );
    }
    (there, first)
}
