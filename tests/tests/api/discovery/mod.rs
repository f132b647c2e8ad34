//! Public documents, HTML pages, the health check and the versions of the API.

mod documents;
mod health;
mod html_pages;
mod versions;
