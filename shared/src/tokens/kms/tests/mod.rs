//! What is sent to KMS, and what is made of its answers. That KMS does what is asked shows `tests/tests/real`.

mod sealer;
mod signer;
