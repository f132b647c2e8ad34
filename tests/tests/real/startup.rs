//! Startup of a function from its environment variables, and errors in them.

use axum::extract::FromRef;
use shared::{AppState, Configuration, tokens::KeyStrings};

use crate::services::{TestServices, signing_key};

/// Returns the error of a start with these variables.
async fn start_error(services: &TestServices, more: &[(&'static str, &str)]) -> String {
    let variables = services.variables(more);
    let configuration = Configuration::read(|name| variables.get(name).cloned()).unwrap();
    let error = AppState::start(configuration).await.unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn function_decrypts_values_sealed_by_another_instance() {
    let services = TestServices::new();
    let stack = services.stack().await;
    let license = stack.operator.issue_new_license(1).await;
    let app = services.function(&[]).await;
    let id = license.license_id.parse().unwrap();
    let sealed = app.table.sealed(id).await.unwrap().unwrap();
    let (key, _) = KeyStrings::from_ref(&app).open(id, &sealed).await.unwrap();
    assert_eq!(key.expose(), license.license_key);
    assert!(app.key_rotator.is_none(), "the function must not rotate signing keys");
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn missing_table_is_reported() {
    let services = TestServices::new();
    let _stack = services.stack().await;
    let error = start_error(&services, &[("SIGNET_TABLE", "no-such-table")]).await;
    assert!(error.starts_with("cannot read the table no-such-table") && error.contains("SIGNET_TABLE"), "{error}");
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn keys_of_another_type_are_reported() {
    let services = TestServices::new();
    let stack = services.stack().await;
    let root = &signing_key(&stack).await;
    let sealing = services.sealing_key().await;
    let error = start_error(&services, &[("SIGNET_ROOT_KEYS", &sealing)]).await;
    assert!(error.starts_with("SIGNET_ROOT_KEYS names the KMS key") && error.contains("RSA_2048"), "{error}");
    let error = start_error(&services, &[("SIGNET_ROOT_KEYS", root), ("SIGNET_SEALING_KEY", root)]).await;
    assert!(error.starts_with("SIGNET_SEALING_KEY") && error.contains("SYMMETRIC_DEFAULT"), "{error}");
    let absent = format!("{}-no-such-key", services.sealing_alias());
    let error = start_error(&services, &[("SIGNET_ROOT_KEYS", root), ("SIGNET_SEALING_KEY", &absent)]).await;
    assert!(error.contains(&absent) && error.contains("NotFound"), "{error}");
}

#[tokio::test]
#[ignore = "run by tests/real.sh"]
async fn restored_table_can_be_decrypted_with_its_original_name() {
    let services = TestServices::new();
    let stack = services.stack().await;
    let license = stack.operator.issue_new_license(1).await;
    let id = license.license_id.parse().unwrap();
    let restored = services.copy_table(&stack).await;
    let opened = async |more: &[(&'static str, &str)]| {
        let app = services.function(more).await;
        let sealed = app.table.sealed(id).await.unwrap().unwrap();
        KeyStrings::from_ref(&app).open(id, &sealed).await.map(|(key, _)| key)
    };
    assert!(opened(&[("SIGNET_TABLE", &restored)]).await.is_err());
    let before = [("SIGNET_TABLE", restored.as_str()), ("SIGNET_ORIGINAL_TABLE", &services.table)];
    assert_eq!(opened(&before).await.unwrap().expose(), license.license_key);
}
