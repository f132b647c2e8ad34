//! Example responses of the error codes.

use shared::http::{
    Code, InputError, Problem,
    code::{Entry, ErrorLocation},
    problem::ProblemBody,
};

/// Returns an example of a problem with this code, as the given issuer would send it.
pub fn example(code: Code, issuer: &str) -> ProblemBody {
    let Entry { detail, location, .. } = code.entry();
    let problem: Problem = match location {
        ErrorLocation::Request => Problem::new(code, detail),
        ErrorLocation::Body(pointer) => InputError::at(pointer, code, detail).into(),
        ErrorLocation::Parameter(name) => InputError::parameter(name, code, detail).into(),
    };
    problem.body(issuer, "1-69a0c1f2-5d0b7e3a9c4f8e21b6d3a071".to_owned())
}
