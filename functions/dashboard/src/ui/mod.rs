//! The building blocks of pages: layout, components, forms and value formats.

pub(crate) mod chart;
pub(crate) mod components;
pub(crate) mod entitlements;
pub(crate) mod error_pages;
pub(crate) mod form_page;
pub(crate) mod format;
pub(crate) mod forms;
pub(crate) mod icons;
pub(crate) mod inputs;
pub(crate) mod layout;
pub(crate) mod limits;
pub(crate) mod machines;
pub(crate) mod notice;
pub(crate) mod parse;
pub(crate) mod reorderable_list;
pub(crate) mod request_body;
