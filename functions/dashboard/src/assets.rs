//! Static assets. The file names contain a content hash, so that browsers can cache them permanently.

use std::sync::OnceLock;

use axum::{
    extract::Path,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG},
    },
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use shared::{domain::secret::sha256, http::conditional::etag};

/// A static file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asset {
    /// The style sheet.
    Style,
    /// The script of every page.
    App,
    /// The script of reorderable lists.
    Reorder,
    /// The script of the command palette.
    Palette,
    /// The script of the health page.
    Health,
    /// The favicon.
    Icon,
}

impl Asset {
    const ALL: [Self; 6] = [Self::Style, Self::App, Self::Reorder, Self::Palette, Self::Health, Self::Icon];

    /// The file stem, the extension and the content.
    const fn content(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Style => ("style", "css", include_str!("assets/style.css")),
            Self::App => ("app", "js", include_str!("assets/app.js")),
            Self::Reorder => ("reorder", "js", include_str!("assets/reorder.js")),
            Self::Palette => ("palette", "js", include_str!("assets/palette.js")),
            Self::Health => ("health", "js", include_str!("assets/health.js")),
            Self::Icon => ("icon", "svg", include_str!("assets/icon.svg")),
        }
    }

    /// The URL path of the file.
    pub(crate) fn url(self) -> String {
        format!("/dashboard/assets/{}", self.name())
    }

    fn name(self) -> &'static str {
        static NAMES: OnceLock<[String; Asset::ALL.len()]> = OnceLock::new();
        let name = |asset: Self| {
            let (stem, extension, text) = asset.content();
            format!("{stem}.{}.{extension}", &HEXLOWER.encode(&sha256(text.as_bytes()))[..12])
        };
        &NAMES.get_or_init(|| Self::ALL.map(name))[self as usize]
    }
}

/// Serves an asset. Names with another content hash are not found.
pub(crate) async fn handler(Path(file): Path<String>) -> Response {
    let Some(asset) = Asset::ALL.into_iter().find(|asset| asset.name() == file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (_, extension, text) = asset.content();
    let content_type = match extension {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (ETAG, etag(text.as_bytes())),
    ];
    (headers, text).into_response()
}
