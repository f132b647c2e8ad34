//! What several endpoints answer with.
