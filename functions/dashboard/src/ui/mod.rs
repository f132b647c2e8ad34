//! What pages are made of: one visual language, worked out once.

pub(crate) mod address;
pub(crate) mod components;
pub(crate) mod icons;
pub(crate) mod inputs;
pub(crate) mod plot;
pub(crate) mod refused;
pub(crate) mod shell;
pub(crate) mod show;
pub(crate) mod theme;

pub(crate) use address::address;
pub(crate) use theme::Theme;
