//! Confirmations of actions, shown on the page to which an action redirects.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::components::{Tone, banner};

/// The confirmation of an action. Its code is part of the redirect's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Notice {
    Created,
    Saved,
    Added,
    Revoked,
    Suspended,
    Reinstated,
    Renewed,
    Deactivated,
    Deleted,
    Erased,
    Rotated,
    Compromised,
    Sent,
    Retried,
    Replayed,
    #[serde(rename = "replayed-partly")]
    ReplayedPartly,
    /// A code of no action. It is ignored.
    #[serde(other)]
    Unknown,
}

impl Notice {
    /// Redirects to a page that shows the confirmation.
    pub(crate) fn redirect_to(self, path: &str) -> Response {
        Redirect::to(&format!("{path}?notice={}", self.code())).into_response()
    }

    fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Saved => "saved",
            Self::Added => "added",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
            Self::Reinstated => "reinstated",
            Self::Renewed => "renewed",
            Self::Deactivated => "deactivated",
            Self::Deleted => "deleted",
            Self::Erased => "erased",
            Self::Rotated => "rotated",
            Self::Compromised => "compromised",
            Self::Sent => "sent",
            Self::Retried => "retried",
            Self::Replayed => "replayed",
            Self::ReplayedPartly => "replayed-partly",
            Self::Unknown => "",
        }
    }

    /// The confirmation above the content of a page.
    pub(crate) fn render(self) -> Markup {
        let text = match self {
            Self::Created => "Created.",
            Self::Saved => "Saved.",
            Self::Added => "License added.",
            Self::Revoked => "License revoked.",
            Self::Suspended => "License suspended.",
            Self::Reinstated => "License reinstated.",
            Self::Renewed => "License renewed.",
            Self::Deactivated => "Machine deactivated.",
            Self::Deleted => "Deleted.",
            Self::Erased => "Customer erased.",
            Self::Rotated => "Signing keys rotated.",
            Self::Compromised => "Signing key marked as compromised.",
            Self::Sent => "The test event is being sent.",
            Self::Retried => "The event is being sent again.",
            Self::Replayed => "The events are being sent again.",
            Self::ReplayedPartly => {
                "The first 10,000 events are being sent again. Replay the others with a later start."
            }
            Self::Unknown => return html! {},
        };
        html! { div role="status" data-notice { (banner(Tone::Success, &html! { p { (text) } })) } }
    }
}

/// The query of pages that confirm the previous action.
#[derive(Debug, Deserialize)]
pub(crate) struct NoticeQuery {
    pub(crate) notice: Option<Notice>,
}
