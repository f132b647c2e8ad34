//! URLs with query strings.

/// Appends a query string to a path. Parameters with empty values are omitted.
pub(crate) fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    let parameters: Vec<_> = parameters.iter().filter(|(_, value)| !value.is_empty()).collect();
    let query = serde_urlencoded::to_string(&parameters).unwrap_or_default();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}
