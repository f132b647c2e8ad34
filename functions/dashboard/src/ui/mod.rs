//! The building blocks of pages: layout, components, forms and value formats.

pub(crate) mod chart;
pub(crate) mod components;
pub(crate) mod error_pages;
pub(crate) mod format;
pub(crate) mod forms;
pub(crate) mod icons;
pub(crate) mod inputs;
pub(crate) mod layout;
mod query_string;
pub(crate) mod theme;

pub(crate) use query_string::with_query;
pub(crate) use theme::Theme;
