use crate::{
    core::Core,
    state::State,
    time::{format_rfc3339, from_system_time, whole, Seconds},
};

impl Core {
    /// Returns lines of text for support, without the token and the license key.
    pub(crate) fn diagnose(&self) -> String {
        let mut lines = vec![
            format!("client: signet-client-rust/{}", env!("CARGO_PKG_VERSION")),
            format!("product: {}", self.identity.product),
            format!("issuer: {}", self.identity.issuer),
            format!("machine id: {}", self.identity.machine_id),
            format!("state: {}", describe(&self.state())),
        ];
        lines.extend(self.identity.instance_id.as_ref().map(|id| format!("instance id: {id}")));
        lines.extend(self.describe_token());
        lines.push(format!("last contact: {}", self.last_contact.map_or("none since the start".to_owned(), format)));
        let last_failure = self.last_failure.map(|(at, reason)| format!("{}, {reason}", format(at)));
        lines.push(format!("last failure: {}", last_failure.unwrap_or_else(|| "none since the start".to_owned())));
        let key_set = self.keys.as_ref().map(|keys| format!("signed at {}", format_rfc3339(keys.set.issued_at)));
        lines.push(format!("key set: {}", key_set.unwrap_or_else(|| "none".to_owned())));
        lines.push(format!("clock: {}, {}", format(self.now()), self.clock.describe()));
        lines.push(format!("storage: {}", self.files.describe()));
        lines.join("\n")
    }

    fn describe_token(&self) -> Vec<String> {
        let Some((token, claims)) = self.accepted() else { return vec!["token: none".to_owned()] };
        let source = if token.is_from_license_file { "license file" } else { "API" };
        vec![
            format!("token: from the {source}, signed at {}", format_rfc3339(claims.iat)),
            format!("token valid until: {}", format_rfc3339(claims.exp)),
            format!("offline until: {}", format_rfc3339(claims.enforcement.offline_until)),
            format!("next heartbeat: {}", format_rfc3339(token.file.next_heartbeat_at)),
        ]
    }
}

fn describe(state: &State) -> String {
    let name = state.name();
    match state {
        State::Unactivated | State::ClockTampered => name.to_owned(),
        State::Active { in_grace, grace_ends_at: Some(end), .. } if *in_grace => {
            format!("{name}, license key expired and honoured until {}", format(from_system_time(*end)))
        }
        State::Active { until, .. } => format!("{name} until {}", format(from_system_time(*until))),
        State::Offline { until, reason } => format!("{name} until {}, {reason}", format(from_system_time(*until))),
        State::Expired { since } => format!("{name} since {}", format(from_system_time(*since))),
        State::Refused { code, .. } => format!("{name}, {code}"),
    }
}

fn format(time: Seconds) -> String {
    format_rfc3339(whole(time))
}
