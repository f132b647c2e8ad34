//! `signet api-key`: creates the first API key of a deployment. Needs write access to its table.

use std::{error::Error, io};

use shared::{
    Aws, Clock, Timeouts,
    domain::{
        ApiKey, ApiKeySecret, EventData, EventSource, IdGenerator, Scopes, Subject, ValidationErrors,
        event::payload::ApiKeyData,
    },
    http_client,
    store::Table,
};

use crate::print_line;

/// Creates an API key with all permissions and prints it once to standard output. Credentials and region come from the
/// AWS environment variables.
pub(crate) async fn create(table: &str, name: String) -> Result<(), Box<dyn Error>> {
    let mut errors = ValidationErrors::default();
    errors.check_name("/name", &name, 100);
    errors
        .into_result()
        .map_err(|_| "--name must be 1 to 100 characters, not blank, without control or invisible characters")?;
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.ok_or("AWS_REGION is not set: set it to the region of the table")?;
    if variable("AWS_ACCESS_KEY_ID").is_none() {
        let hint = "to set it with the AWS CLI, run: eval \"$(aws configure export-credentials --format env)\"";
        return Err(format!("AWS_ACCESS_KEY_ID is not set; {hint}").into());
    }
    let endpoint = variable("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| variable("AWS_ENDPOINT_URL"));
    let aws = Aws::new(&region, None, http_client(&[endpoint.as_deref()])?, Timeouts::default());
    let table = Table::connect(&aws, table, endpoint);
    table.check_schema().await?;

    let now = Clock::System.now();
    let mut ids = IdGenerator::new(now);
    let secret = ApiKeySecret::generate(ids.generate(), &mut rand::rng());
    let key =
        ApiKey { id: secret.id, name, scopes: Scopes::All, created_at: now, expires_at: None, last_used_at: None };
    let data = EventData::ApiKeyCreated(ApiKeyData::new(&key));
    let event = EventSource::system("command_line", now).event(&mut ids, Subject::ApiKey(key.id), data);
    table.add_api_key(&key, &secret, &event, None).await?;
    print_line(&mut io::stdout(), &secret.expose());
    Ok(())
}
