//! Tests of the requests to KMS and the handling of its responses, with a stub. `tests/tests/real` tests against KMS.

mod sealer;
mod signer;
