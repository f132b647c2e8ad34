//! Writes items as DynamoDB writes an export: gzip files with one item in each line, and two manifests. The format is that
//! of <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html>.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;

const ID: &str = "01694731200000-a1b2c3d4";

/// An export in a directory, as `aws s3 sync` downloads it. Its parts can be damaged.
pub(super) struct Export {
    folder: TempDir,
    pub(super) summary: Value,
    /// The entries of `manifest-files.json`.
    pub(super) files: Vec<Value>,
}

impl Export {
    /// Writes items in order to a number of files, as many to each, and adds two files of empty partitions.
    pub(super) fn write(items: &[Value], files: usize) -> Self {
        let mut export = Self::empty();
        for part in items.chunks(items.len().div_ceil(files).max(1)) {
            let lines: Vec<String> = part.iter().map(|item| json!({ "Item": item }).to_string()).collect();
            export.add_lines(&lines);
        }
        export.add_file(&[], 0);
        export.add_file(&gzip(b""), 0);
        export
    }

    /// Writes an export without data files.
    pub(super) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("_started"), "").unwrap();
        let table = "arn:aws:dynamodb:us-east-1:123456789012:table/signet";
        let summary = json!({
            "version": "2020-06-30", "exportArn": format!("{table}/export/{ID}"), "startTime": "2026-01-15T12:00:00.000Z",
            "endTime": "2026-01-15T12:05:43.897Z", "tableArn": table, "tableId": "12345a12-abcd-123a-ab12-1234abc12345",
            "exportTime": "2026-01-15T11:59:00.000Z", "s3Bucket": "exports", "s3Prefix": "2026", "s3SseAlgorithm": "AES256",
            "s3SseKmsKeyId": null, "manifestFilesS3Key": format!("2026/AWSDynamoDB/{ID}/manifest-files.json"),
            "billedSizeBytes": 0, "itemCount": 0, "outputFormat": "DYNAMODB_JSON",
        });
        let export = Self { folder, summary, files: Vec::new() };
        export.write_manifests();
        export
    }

    /// The directory of the export.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of a data file.
    pub(super) fn data_path(&self, index: usize) -> PathBuf {
        let key = self.files[index]["dataFileS3Key"].as_str().unwrap();
        self.path().join("data").join(key.rsplit('/').next().unwrap())
    }

    /// Adds a data file with these lines.
    pub(super) fn add_lines(&mut self, lines: &[impl AsRef<str>]) {
        self.add_file(&gzip(joined(lines).as_bytes()), lines.len());
    }

    fn add_file(&mut self, content: &[u8], items: usize) {
        let key = format!("2026/AWSDynamoDB/{ID}/data/asdfjkl{}qwertyuiop.json.gz", self.files.len());
        self.files
            .push(json!({"itemCount": items, "etag": "af83d6f217c19b8b0fff8023d8ca4716-1", "dataFileS3Key": key}));
        self.summary["itemCount"] = (self.summary["itemCount"].as_u64().unwrap() + items as u64).into();
        self.replace_file(self.files.len() - 1, content);
    }

    /// Replaces the content of a data file and its checksum in the manifest.
    pub(super) fn replace_file(&mut self, index: usize, content: &[u8]) {
        fs::write(self.data_path(index), content).unwrap();
        self.files[index]["md5Checksum"] = BASE64.encode(&md5::compute(content).0).into();
        self.write_manifests();
    }

    /// Writes the manifests again, with the present values.
    pub(super) fn write_manifests(&self) {
        fs::write(self.path().join("manifest-summary.json"), format!("{:#}", self.summary)).unwrap();
        let files: Vec<String> = self.files.iter().map(Value::to_string).collect();
        fs::write(self.path().join("manifest-files.json"), joined(&files)).unwrap();
    }
}

/// Returns the lines as one text. Each ends with a line feed.
fn joined(lines: &[impl AsRef<str>]) -> String {
    lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect()
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn checksums_are_written_as_dynamodb_does() {
    let export = Export::write(&[json!({})], 1);
    assert_eq!(export.files[1]["md5Checksum"], "1B2M2Y8AsgTpgAmY7PhCfg==", "the MD5 checksum of nothing, in base64");
}
