//! The manifest of an export: `manifest-summary.json`, and the list of data files in `manifest-files.json`.

use std::{fs, path::Path};

use data_encoding::BASE64;
use serde::{Deserialize, de::DeserializeOwned};

use super::{data_file::DataFile, error::ExportError};

const SUMMARY: &str = "manifest-summary.json";
const FILES: &str = "manifest-files.json";

/// A full export in DynamoDB JSON.
pub(super) struct Manifest {
    /// The table that was exported.
    pub(super) table_arn: String,
    /// The time of the table's state.
    pub(super) export_time: String,
    pub(super) files: Vec<DataFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    /// Absent in exports that were made before incremental exports existed.
    export_type: Option<String>,
    output_format: String,
    table_arn: String,
    /// Absent in incremental exports.
    export_time: Option<String>,
    manifest_files_s3_key: String,
    item_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileEntry {
    item_count: u64,
    md5_checksum: String,
    data_file_s3_key: String,
}

impl Manifest {
    pub(super) fn read(directory: &Path) -> Result<Self, ExportError> {
        let path = directory.join(SUMMARY);
        let summary: Summary = parse(&path, &read(&path)?)?;
        let invalid = |problem: String| ExportError::new(&path, problem);
        if let Some(other) = summary.export_type.as_deref().filter(|kind| *kind != "FULL_EXPORT") {
            return Err(invalid(format!(
                "the export is of the type {other}, which contains only changes; export the table with the type FULL_EXPORT"
            )));
        }
        if summary.output_format != "DYNAMODB_JSON" {
            let format = &summary.output_format;
            return Err(invalid(format!(
                "the export is in the format {format}, which is not supported; export the table with the format DYNAMODB_JSON"
            )));
        }
        let export = export_prefix(&summary.manifest_files_s3_key, FILES);
        let export = export.ok_or_else(|| invalid(format!("manifestFilesS3Key is not the key of a {FILES}")))?;
        let files = read_files(directory, export)?;
        let total: u64 = files.iter().map(|file| file.item_count).sum();
        if total != summary.item_count {
            let expected = summary.item_count;
            return Err(invalid(format!("the export has {expected} items, but its files in {FILES} have {total}")));
        }
        let export_time = summary.export_time.ok_or_else(|| invalid("exportTime is missing".to_owned()))?;
        Ok(Self { table_arn: summary.table_arn, export_time, files })
    }
}

/// Reads the list of data files of the export with this prefix.
fn read_files(directory: &Path, export: &str) -> Result<Vec<DataFile>, ExportError> {
    let path = directory.join(FILES);
    let text = read(&path)?;
    let mut files = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let entry: FileEntry = parse(&path, line)?;
        let key = &entry.data_file_s3_key;
        let name = data_file_name(key, export).ok_or_else(|| {
            ExportError::new(&path, format!("{key:?} is not a data file of this export, AWSDynamoDB/{export}"))
        })?;
        let md5 = BASE64.decode(entry.md5_checksum.as_bytes()).ok().and_then(|md5| md5.try_into().ok());
        let md5 = md5.ok_or_else(|| ExportError::new(&path, format!("the md5Checksum of {name} is not one")))?;
        files.push(DataFile { path: directory.join("data").join(name), item_count: entry.item_count, md5 });
    }
    Ok(files)
}

/// Returns the id of the export that a file with this path belongs to. The key begins with the prefix that was chosen for
/// the export, if any.
fn export_prefix<'a>(key: &'a str, path: &str) -> Option<&'a str> {
    let (_, rest) = key.rsplit_once("AWSDynamoDB/")?;
    let (export, file) = rest.split_once('/')?;
    (file == path).then_some(export)
}

/// Returns the name of a data file of this export, which is a file name without directories.
fn data_file_name<'a>(key: &'a str, export: &str) -> Option<&'a str> {
    let (_, rest) = key.rsplit_once("AWSDynamoDB/")?;
    let name = rest.strip_prefix(export)?.strip_prefix("/data/")?;
    (!name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\'])).then_some(name)
}

fn read(path: &Path) -> Result<String, ExportError> {
    fs::read_to_string(path).map_err(|error| {
        ExportError::new(path, format!("{error}; expected the directory of a finished export, AWSDynamoDB/EXPORT_ID"))
    })
}

fn parse<T: DeserializeOwned>(path: &Path, json: &str) -> Result<T, ExportError> {
    serde_json::from_str(json).map_err(|error| ExportError::new(path, error.to_string()))
}
