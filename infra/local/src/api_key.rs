//! `signet api-key`: the first API key of an installation, made by whoever may write its table.

use std::{error::Error, io};

use shared::{
    Aws, Clock, Timeouts,
    domain::{ApiKey, ApiKeySecret, IdGenerator, Scopes, ValidationErrors},
    http_client,
    store::Table,
};

use crate::say;

/// Makes an API key that may do everything and shows it, once, on standard output. Credentials and region are those of
/// AWS's variables.
pub(crate) async fn make(table: &str, name: String) -> Result<(), Box<dyn Error>> {
    let mut invalid = ValidationErrors::default();
    invalid.name("/name", &name, 100);
    invalid
        .into_result()
        .map_err(|_| "--name takes a name of 100 characters at most, none of them a control character")?;
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.ok_or("AWS_REGION is not set: it says in which region the table is")?;
    if variable("AWS_ACCESS_KEY_ID").is_none() {
        let mend = "with the AWS CLI, this sets it: eval \"$(aws configure export-credentials --format env)\"";
        return Err(format!("AWS_ACCESS_KEY_ID is not set; {mend}").into());
    }
    let endpoint = variable("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| variable("AWS_ENDPOINT_URL"));
    let aws = Aws::new(&region, None, http_client(&[endpoint.as_deref()])?, Timeouts::default());
    let table = Table::connect(&aws, table, endpoint);
    table.check_schema().await?;

    let now = Clock::System.now();
    let secret = ApiKeySecret::generate(IdGenerator::new(now).make(), &mut rand::rng());
    let key =
        ApiKey { id: secret.id, name, scopes: Scopes::All, created_at: now, expires_at: None, last_used_at: None };
    table.add_api_key(&key, &secret, None).await?;
    say(&mut io::stdout(), &secret.expose());
    Ok(())
}
