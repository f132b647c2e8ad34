//! The dashboard, over HTTP. tests/browser tests it in Chromium.

mod access;
mod activity;
mod confirmations;
mod customer;
mod erase_customer;
mod forms;
mod lists;
mod offline_activation;
mod pages;
mod search;
mod sign_in;
mod theme;
mod times;
mod webhooks;
