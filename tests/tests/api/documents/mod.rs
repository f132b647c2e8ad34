//! Files of this repository: documentation, Lambda events and test vectors.

mod documentation;
mod event_catalog;
mod event_files;
mod responses;
mod vectors;
