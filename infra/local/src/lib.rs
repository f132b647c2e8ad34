//! The whole of Signet in one process.
