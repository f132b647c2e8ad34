//! Extractors of page handlers: the signed-in user, and ids in paths.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use shared::http::{Code, Problem};

use crate::{
    session::Session,
    theme::{Density, Theme},
};

/// The signed-in user who views a page, and the selected look.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) session: Session,
    pub(crate) theme: Theme,
    pub(crate) density: Density,
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::internal("the session middleware is missing on a page"))
    }
}

/// An operator who views a page. Rejects other users with [`Code::Forbidden`].
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Viewer);

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let viewer = Viewer::from_request_parts(parts, state).await?;
        if !viewer.session.is_operator {
            return Err(Problem::new(Code::Forbidden, "this page requires the operator role"));
        }
        Ok(Self(viewer))
    }
}

/// Two ids in a path. A path with an invalid id is rejected with `not_found`.
#[derive(Debug)]
pub(crate) struct PathIds<A, B>(pub(crate) A, pub(crate) B);

impl<S: Send + Sync, A: FromStr, B: FromStr> FromRequestParts<S> for PathIds<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await.ok();
        let ids = path.and_then(|Path((a, b))| Some(Self(a.parse().ok()?, b.parse().ok()?)));
        ids.ok_or_else(Problem::not_found)
    }
}
