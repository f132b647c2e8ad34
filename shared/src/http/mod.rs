//! What is the same for every endpoint: how input is read, how answers and problems are written, and the edge that
//! every request passes.

pub mod call;
pub mod documented;
pub mod edge;
pub mod extract;
pub mod lambda;
pub mod log;
pub mod noted;
pub mod once;
pub mod problem;
pub mod resources;
pub mod respond;
pub mod within;

pub use call::Call;
pub use extract::{Body, List, NoBody, NoFilter, Page, PathId};
pub use noted::{Metric, Noted};
pub use once::{Answer, Once};
pub use problem::Problem;
pub use respond::{Created, IfMatch, ListBody, Tagged};
pub use within::Within;
