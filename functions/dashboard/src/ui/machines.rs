//! The machines of a license.

use jiff::Timestamp;
use maud::{Markup, html};
use shared::http::resources::{ActivationResource, ActivationStatus};

use super::{
    components::{Tone, badge, dialog_button, table},
    format,
};

/// The users who see the machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    Operator,
    Customer,
}

/// A table of the machines of the license at `license_path`, with links to deactivate them.
pub(crate) fn machine_table(
    license_path: &str,
    machines: &[ActivationResource],
    now: Timestamp,
    audience: Audience,
) -> Markup {
    let columns: &[&str] = match audience {
        Audience::Operator => &["Machine", "Status", "Last seen", "Activated", "IP address", ""],
        Audience::Customer => &["Machine", "Status", "Last seen", "Activated", ""],
    };
    // The processes of a machine are below one another.
    let mut machines: Vec<_> = machines.iter().collect();
    machines.sort_by_key(|machine| machine.instance_id.as_ref().map(|_| &machine.machine_id));
    table(
        "Machines",
        columns.iter().copied(),
        machines.into_iter().map(|machine| row(license_path, machine, now, audience)),
    )
}

fn row(license_path: &str, machine: &ActivationResource, now: Timestamp, audience: Audience) -> Vec<Markup> {
    let is_operator = audience == Audience::Operator;
    let last_seen = format::or(machine.last_heartbeat_at.map(|at| format::time_ago(at, now)), "–");
    let activated = machine.activated_at.map(if is_operator { format::date_time } else { format::date });
    let path = format!("{license_path}/machines/{}/deactivate", machine.id);
    let ip = machine.last_ip.as_deref();
    let mut cells = vec![
        machine_name(machine, audience),
        html! {
            (machine_status(machine.status))
            @if let Some(until) = machine.borrowed_until { span.subtext { "Borrowed until " (format::date_time(until)) } }
        },
        html! { (last_seen) @if let Some(ip) = ip.filter(|_| !is_operator) { span.subtext { (ip) } } },
        format::or(activated, "–"),
    ];
    cells.extend(is_operator.then(|| html! { (ip.unwrap_or("–")) }));
    // A customer cannot free a borrowed seat.
    let is_free_to_end = machine.status != ActivationStatus::Deactivated && machine.borrowed_until.is_none();
    let is_offered = is_operator || is_free_to_end;
    cells.push(html! { @if is_offered { (dialog_button(&path, "Deactivate")) } });
    cells
}

fn machine_name(machine: &ActivationResource, audience: Audience) -> Markup {
    let version = machine.app_version.as_ref().map(|version| format!("Version {version}"));
    let software: Vec<&str> = [version.as_deref(), machine.os.as_deref()].into_iter().flatten().collect();
    let hostname = machine.hostname.as_deref().filter(|_| audience == Audience::Operator);
    html! {
        strong { (machine.machine_name.as_deref().unwrap_or(&machine.machine_id)) }
        @if machine.machine_name.is_some() { span.subtext { (machine.machine_id) } }
        @if let Some(instance_id) = &machine.instance_id { span.subtext { "Process " (instance_id) } }
        @if let Some(hostname) = hostname { span.subtext { "Host " (hostname) } }
        @if !software.is_empty() { span.subtext { (software.join(" · ")) } }
    }
}

/// The badge of a machine's status.
fn machine_status(status: ActivationStatus) -> Markup {
    match status {
        ActivationStatus::Active => badge("Active", Tone::Success),
        ActivationStatus::Lapsed => badge("Inactive", Tone::Warning),
        ActivationStatus::Deactivated => badge("Deactivated", Tone::Neutral),
    }
}
