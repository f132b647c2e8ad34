//! Confirmations of actions, shown on the page to which an action redirects.

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::{
    components::{Tone, banner},
    forms::hidden_fields,
};
use crate::session::Session;

/// The confirmation of an action. Its code is part of the redirect's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Notice {
    ProductCreated,
    ProductSaved,
    ProductActivated,
    ProductDeactivated,
    TierCreated,
    TierSaved,
    FeatureCreated,
    FeatureSaved,
    CustomerCreated,
    CustomerSaved,
    Erased,
    MovedUp,
    MovedDown,
    Added,
    Changed,
    Renewed,
    Suspended,
    Reinstated,
    Revoked,
    EntitlementSaved,
    Deactivated,
    ApiKeyDeleted,
    Rotated,
    Compromised,
    WebhookSaved,
    WebhookDeleted,
    Sent,
    Retried,
    Replayed,
    ReplayedPartly,
    /// A code of no action. It is ignored.
    #[serde(other)]
    Unknown,
}

/// The query of pages that confirm the previous action.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct NoticeQuery {
    pub(crate) notice: Option<Notice>,
    /// The id of what was changed, if the page lists several.
    pub(crate) changed: Option<String>,
}

impl Notice {
    /// Redirects to a page that shows the confirmation.
    pub(crate) fn redirect_to(self, path: &str) -> Response {
        redirect(path, &NoticeQuery { notice: Some(self), changed: None })
    }

    /// Redirects to a page that lists what was changed, and shows the confirmation with its name.
    pub(crate) fn redirect_to_list(self, path: &str, changed: &impl ToString) -> Response {
        redirect(path, &NoticeQuery { notice: Some(self), changed: Some(changed.to_string()) })
    }

    fn text(self) -> &'static str {
        match self {
            Self::ProductCreated => "Product created.",
            Self::ProductSaved => "Product saved.",
            Self::ProductActivated => "Product activated. Its licenses can be used.",
            Self::ProductDeactivated => "Product deactivated. Its licenses can't be used.",
            Self::TierCreated => "Tier created.",
            Self::TierSaved => "Tier saved.",
            Self::FeatureCreated => "Feature created.",
            Self::FeatureSaved => "Feature saved.",
            Self::CustomerCreated => "Customer created.",
            Self::CustomerSaved => "Customer saved.",
            Self::Erased => "Customer erased.",
            Self::MovedUp => "Moved up.",
            Self::MovedDown => "Moved down.",
            Self::Added => "License added.",
            Self::Changed => "License changed.",
            Self::Renewed => "License renewed.",
            Self::Suspended => "License suspended.",
            Self::Reinstated => "License reinstated.",
            Self::Revoked => "License revoked.",
            Self::EntitlementSaved => "Override saved.",
            Self::Deactivated => "Machine deactivated.",
            Self::ApiKeyDeleted => "API key deleted.",
            Self::Rotated => "Signing keys rotated.",
            Self::Compromised => "Signing key marked as compromised.",
            Self::WebhookSaved => "Webhook endpoint saved.",
            Self::WebhookDeleted => "Webhook endpoint deleted.",
            Self::Sent => "The test event is being sent.",
            Self::Retried => "The event is being sent again.",
            Self::Replayed => "The events are being sent again.",
            Self::ReplayedPartly => {
                "The first 10,000 events are being sent again. Replay the others with a later start."
            }
            Self::Unknown => "",
        }
    }

    /// The confirmation above the content of a page, with details, a link or a button after its text.
    pub(super) fn render(self, details: &Markup) -> Markup {
        if self == Self::Unknown {
            return html! {};
        }
        // A form can't be in a paragraph.
        let content = html! { (self.text()) " " (details) };
        html! { div.notice role="status" data-notice { (banner(Tone::Success, &content)) } }
    }
}

fn redirect(path: &str, query: &NoticeQuery) -> Response {
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    Redirect::to(&format!("{path}?{query}")).into_response()
}

/// A button that undoes the confirmed action: a form with one value.
pub(crate) fn undo_button(session: &Session, action: &str, (name, value): (&str, &str)) -> Markup {
    html! {
        form.inline-form method="post" action=(action) {
            (hidden_fields(session))
            button.button name=(name) value=(value) { "Undo" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_notice_is_read_back() {
        for notice in [Notice::ProductDeactivated, Notice::ReplayedPartly, Notice::Sent] {
            let query = serde_urlencoded::to_string(NoticeQuery { notice: Some(notice), changed: None }).unwrap();
            let read: NoticeQuery = serde_urlencoded::from_str(&query).unwrap();
            assert_eq!(read.notice, Some(notice), "{query}");
        }
        let read: NoticeQuery = serde_urlencoded::from_str("notice=other").unwrap();
        assert_eq!(read.notice, Some(Notice::Unknown));
    }
}
