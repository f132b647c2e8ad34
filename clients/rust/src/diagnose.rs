use crate::{
    core::Core,
    ports::RequestKind,
    time::{format_rfc3339, seconds, whole, Seconds, DAY},
};

impl Core {
    /// Returns lines of text for support, without the token and the license key.
    pub(crate) fn diagnose(&self) -> String {
        let none = || "none".to_owned();
        let none_since_start = || "none since the start".to_owned();
        let identity = &self.identity;
        let ephemeral = if identity.is_ephemeral { " (ephemeral)" } else { "" };
        let license = self.accepted().map(|(_, claims)| claims.describe_license());
        let license_key = if self.license_key.is_some() { "stored" } else { "not stored" };
        let next_request = self.next_due().map(|due| format(due.max(self.now())));
        let lines = [
            ("client", Some(client())),
            ("product", Some(identity.product.clone())),
            ("issuer", Some(identity.issuer.clone())),
            ("api url", Some(identity.api_url.clone())),
            ("machine id", Some(format!("{}{ephemeral}", identity.machine_id))),
            ("instance id", identity.instance_id.clone()),
            ("state", Some(self.state().to_string())),
            ("license", Some(license.unwrap_or_else(none))),
            ("token", Some(self.describe_token().unwrap_or_else(none))),
            ("license key", Some(license_key.to_owned())),
            ("next request", Some(next_request.unwrap_or_else(none))),
            ("last contact", Some(self.last_contact.map_or_else(none_since_start, format))),
            ("last failure", Some(self.last_failure.clone().unwrap_or_else(none_since_start))),
            ("key set", Some(self.describe_keys().unwrap_or_else(none))),
            ("clock", Some(self.clock.describe())),
            ("storage", Some(self.files.describe())),
        ];
        let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("{name}: {}", value?)));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Notes for support that a request has ended without success, and why.
    pub(crate) fn note_failure(&mut self, request: RequestKind, why: &str) {
        self.last_failure = Some(format!("{}, {request}: {why}", format(self.now())));
    }

    fn describe_token(&self) -> Option<String> {
        let (token, claims) = self.accepted()?;
        let [issued, exp, offline_until] =
            [claims.iat, claims.exp, claims.enforcement.offline_until].map(format_rfc3339);
        let source = if token.is_from_license_file { ", from a license file" } else { "" };
        Some(format!("issued {issued}, exp {exp}, offline until {offline_until}{source}"))
    }

    fn describe_keys(&self) -> Option<String> {
        let issued_at = self.keys.as_ref()?.set.issued_at;
        let days = whole((self.now() - seconds(issued_at)) / DAY);
        Some(format!("issued {}, {days} days old", format_rfc3339(issued_at)))
    }
}

/// Returns the name and the version of the client, and what it was compiled for.
fn client() -> String {
    format!("signet-client-rust/{}, Rust, {}", env!("CARGO_PKG_VERSION"), crate::system::os())
}

fn format(time: Seconds) -> String {
    format_rfc3339(whole(time))
}
