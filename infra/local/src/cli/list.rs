//! Reads the pages of a list and prints their items.

use std::io::{self, IsTerminal, Write};

use clap::ArgMatches;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    client::ApiClient,
    commands::{ALL, DEFAULT_LIMIT, LIMIT},
    document::Operation,
    error::CliError,
    output::{self, Format},
    progress::Progress,
    request::ApiRequest,
    resources::columns,
};

/// The largest page of the API.
const MAX_PAGE: u32 = 100;

/// How many items are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All.
    All,
    /// At most this number.
    Limit(u32),
}

impl Extent {
    /// Returns what the arguments say.
    pub(super) fn of(arguments: &ArgMatches) -> Self {
        match arguments.get_one::<u32>(LIMIT) {
            _ if arguments.get_flag(ALL) => Self::All,
            limit => Self::Limit(limit.copied().unwrap_or(DEFAULT_LIMIT)),
        }
    }

    /// Returns the size of the next page after `count` items, or `None` if these are enough.
    fn next_page(self, count: u32) -> Option<u32> {
        match self {
            Self::All => Some(MAX_PAGE),
            Self::Limit(limit) => Some(limit.saturating_sub(count).min(MAX_PAGE)).filter(|size| *size > 0),
        }
    }
}

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

/// Prints the items of a list: as JSON lines, page by page, or as a table when all are read.
pub(super) async fn print_list(
    client: &ApiClient,
    operation: &Operation,
    request: ApiRequest,
    extent: Extent,
    format: Format,
) -> Result<(), CliError> {
    // Nothing else is printed on the terminal at the same time.
    let mut progress = Progress::new(format == Format::Table || !io::stdout().is_terminal());
    let mut pages = Pages { client, operation, request, cursor: None, is_done: false };
    let (mut rows, mut count) = (Vec::new(), 0);
    while let Some(size) = extent.next_page(count) {
        let Some(items) = pages.next(size).await? else { break };
        count = count.saturating_add(u32::try_from(items.len()).unwrap_or(u32::MAX));
        match format {
            Format::Json if !output::print_lines(&mut io::stdout(), &items)? => return Ok(()),
            Format::Json => {}
            Format::Table => {
                rows.extend(items.iter().filter_map(|item| serde_json::from_str::<Value>(item.get()).ok()));
            }
        }
        if !pages.is_done && extent.next_page(count).is_some() {
            progress.show(&format!("{count} items"));
        }
    }
    drop(progress);
    if format == Format::Table {
        output::print_table(&mut io::stdout(), columns(operation.list_of().unwrap_or_default()), &rows)?;
    }
    if !pages.is_done && io::stderr().is_terminal() {
        let _ = writeln!(io::stderr(), "The first {count}. List more with --limit NUMBER or --all.");
    }
    Ok(())
}

/// Reads page after page.
struct Pages<'a> {
    client: &'a ApiClient,
    operation: &'a Operation,
    request: ApiRequest,
    cursor: Option<String>,
    is_done: bool,
}

impl Pages<'_> {
    /// Returns the items of the next page, or `None` after the last page.
    async fn next(&mut self, size: u32) -> Result<Option<Vec<Box<RawValue>>>, CliError> {
        if self.is_done {
            return Ok(None);
        }
        self.request.query.retain(|(name, _)| !["limit", "cursor"].contains(name));
        self.request.query.push(("limit", size.to_string()));
        self.request.query.extend(self.cursor.take().map(|cursor| ("cursor", cursor)));
        let body = self.client.send(self.operation, &self.request).await?;
        let page = body.and_then(|body| serde_json::from_str::<Page>(body.get()).ok());
        let no_list = || CliError::Unreachable("the response is not a list; check the URL".to_owned());
        let Page { items, next_cursor } = page.ok_or_else(no_list)?;
        self.is_done = next_cursor.is_none();
        self.cursor = next_cursor;
        Ok(Some(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_as_large_as_needed() {
        assert_eq!(Extent::Limit(250).next_page(0), Some(100));
        assert_eq!(Extent::Limit(250).next_page(200), Some(50));
        assert_eq!(Extent::Limit(250).next_page(250), None);
        assert_eq!(Extent::Limit(3).next_page(5), None);
        assert_eq!(Extent::All.next_page(1_000_000), Some(100));
    }
}
