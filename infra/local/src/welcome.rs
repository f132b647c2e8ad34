//! The text printed when the server is ready.

use std::fmt::Write;

use shared::domain::Secret;
use signet_local::{Demo, LocalServer};

/// Returns the URLs, the operator's API key and commands to try.
pub(crate) fn welcome(server: &LocalServer) -> String {
    let (url, key) = (&server.base_url, server.operator_api_key.expose());
    let issuer = server.app.issuer();
    let oidc = &server.oidc_issuer;
    let (demo, commands) = server
        .demo
        .as_ref()
        .map_or_else(|| (String::new(), first_product_command(url, key)), |demo| demo_commands(url, key, demo));
    format!(
        "Signet is running at {url}

  dashboard             {url}/dashboard
  API                   {url}/api/v1.0
  interactive docs      {url}/docs
  OpenAPI document      {url}/openapi.json
  public signing keys   {url}/.well-known/jwks.json
  token issuer          {issuer}
  operator API key      {key}
  sign-in issuer        {oidc}    (development only: sign in as anyone)
{demo}
Try:

{commands}
Get a bearer token (in access_token):

  curl {oidc}/token -d grant_type=password -d client_id=signet-dashboard -d username=ada@example.com -d password=any -d 'scope=openid role:operator'

Press Ctrl-C to stop."
    )
}

/// Returns the command to try on an empty table.
fn first_product_command(url: &str, key: &str) -> String {
    format!(
        "  curl {url}/api/v1.0/products -H 'X-Api-Key: {key}' -H 'Content-Type: application/json' \
         -d '{{\"code\": \"atlas\", \"name\": \"Atlas\"}}'\n"
    )
}

/// Returns the lines about the demo data, and the commands to try with it.
fn demo_commands(url: &str, key: &str, demo: &Demo) -> (String, String) {
    let mut summary = format!("  demo data             {}\n", demo.summary);
    let mut commands = format!("  curl {url}/api/v1.0/license-keys -H 'X-Api-Key: {key}'\n");
    if let Some(license_key) = demo.license_key.as_ref().map(Secret::expose) {
        let _ = writeln!(summary, "  a license key         {license_key}");
        let _ = writeln!(
            commands,
            "  curl {url}/api/v1.0/license-activations/activate -H 'Content-Type: application/json' \
             -d '{{\"license_key\": \"{license_key}\", \"machine_id\": \"my-machine\"}}'"
        );
    }
    (summary, commands)
}
