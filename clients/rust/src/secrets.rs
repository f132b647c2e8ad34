use crate::{ports::Request, text::single_line};

/// Shorter texts are no secrets, and occur in messages by chance. In characters.
const MIN_SECRET: usize = 8;

/// License keys and tokens, which no message shows although a response may contain them.
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Collects those of a request, and those that are stored.
    pub(crate) fn new(request: &Request, stored: [Option<&str>; 2]) -> Self {
        let field = |name| request.body.as_ref()?.get(name)?.as_str();
        let secrets = [field("license_key"), field("token")].into_iter().chain(stored).flatten();
        Self(secrets.filter(|secret| secret.chars().count() >= MIN_SECRET).map(str::to_owned).collect())
    }

    /// Returns a text of a response without secrets, in one line of at most `max` characters.
    pub(crate) fn redact(&self, text: &str, max: usize) -> String {
        single_line(&self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…")), max)
    }
}
