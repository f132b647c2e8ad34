//! Response types (lists, resources with an `ETag`) and the precondition `If-Match`.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Problem, StoredResponse};
use crate::store::pagination::Page;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = List)]
pub struct ListResponse<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> From<Page<T>> for ListResponse<T> {
    fn from(page: Page<T>) -> Self {
        Self { items: page.items, next_cursor: page.next }
    }
}

impl<T: Serialize> IntoResponse for ListResponse<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// A JSON resource with a strong `ETag`.
#[derive(Debug)]
pub struct WithEtag<T>(pub T);

impl<T: Serialize> IntoResponse for WithEtag<T> {
    fn into_response(self) -> Response {
        match StoredResponse::ok(&self.0) {
            Ok(response) => response.into_response(),
            Err(error) => Problem::internal(error.to_string()).into_response(),
        }
    }
}
