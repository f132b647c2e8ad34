//! Who may call what: API keys, bearer tokens, signing keys and the access of each kind of caller.

mod access_control;
mod api_keys;
mod invalid_credentials;
mod oidc;
mod reencryption;
mod signing_keys;
