//! A function starts with its variables, or says in a line what to mend.

use shared::{AppState, Configuration, key_issuance::open_key};

use crate::parts::{Parts, signing_key};

/// Why it does not start with these.
async fn refused(parts: &Parts, more: &[(&'static str, &str)]) -> String {
    let variables = parts.variables(more);
    let configuration = Configuration::read(|name| variables.get(name).cloned()).unwrap();
    let told = AppState::start(configuration).await.unwrap_err().to_string();
    assert_eq!(told.lines().count(), 1, "{told}");
    told
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn with_its_variables_a_function_opens_what_another_sealed() {
    let parts = Parts::new();
    let stack = parts.stack().await;
    let sold = stack.operator.issue_new_license(1).await;
    let app = parts.function(&[]).await;
    let id = sold.license_id.parse().unwrap();
    let sealed = app.table.sealed(id).await.unwrap().unwrap();
    let (key, _) = open_key(&app, id, &sealed).await.unwrap();
    assert_eq!(key.expose(), sold.license_key);
    assert!(app.key_rotator.is_none(), "it may not look after the signing keys");
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn a_table_that_is_missing_is_told() {
    let parts = Parts::new();
    let _stack = parts.stack().await;
    let told = refused(&parts, &[("SIGNET_TABLE", "no-such-table")]).await;
    assert!(told.starts_with("the table no-such-table can't be read") && told.contains("SIGNET_TABLE"), "{told}");
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn keys_of_another_kind_are_told() {
    let parts = Parts::new();
    let stack = parts.stack().await;
    let root = &signing_key(&stack).await;
    let sealing = parts.sealing_key().await;
    let told = refused(&parts, &[("SIGNET_ROOT_KEYS", &sealing)]).await;
    assert!(told.starts_with("SIGNET_ROOT_KEYS names the KMS key") && told.contains("RSA_2048"), "{told}");
    let told = refused(&parts, &[("SIGNET_ROOT_KEYS", root), ("SIGNET_SEALING_KEY", root)]).await;
    assert!(told.starts_with("SIGNET_SEALING_KEY") && told.contains("SYMMETRIC_DEFAULT"), "{told}");
    let absent = format!("{}-no-such-key", parts.sealing_alias());
    let told = refused(&parts, &[("SIGNET_ROOT_KEYS", root), ("SIGNET_SEALING_KEY", &absent)]).await;
    assert!(told.contains(&absent) && told.contains("NotFound"), "{told}");
}

#[tokio::test]
#[ignore = "tests/real.sh runs it"]
async fn a_table_that_was_restored_under_another_name_opens_with_the_name_it_had() {
    let parts = Parts::new();
    let stack = parts.stack().await;
    let sold = stack.operator.issue_new_license(1).await;
    let id = sold.license_id.parse().unwrap();
    let restored = parts.copy_table(&stack).await;
    let opened = async |more: &[(&'static str, &str)]| {
        let app = parts.function(more).await;
        let sealed = app.table.sealed(id).await.unwrap().unwrap();
        open_key(&app, id, &sealed).await.map(|(key, _)| key)
    };
    assert!(opened(&[("SIGNET_TABLE", &restored)]).await.is_err());
    let before = [("SIGNET_TABLE", restored.as_str()), ("SIGNET_ORIGINAL_TABLE", &parts.table)];
    assert_eq!(opened(&before).await.unwrap().expose(), sold.license_key);
}
