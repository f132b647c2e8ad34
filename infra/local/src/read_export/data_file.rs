//! A data file of an export: one item in each line, compressed with gzip.

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
};

use flate2::bufread::MultiGzDecoder;
use shared::store::export::ExportedItem;

use super::error::ExportError;

/// The maximum length of a line in bytes. An item has at most 400 KB; its JSON can be several times as long.
const MAX_LINE: u64 = 16 << 20;

/// A data file, as the manifest describes it.
pub(super) struct DataFile {
    pub(super) path: PathBuf,
    pub(super) item_count: u64,
    /// The MD5 checksum of the compressed file.
    pub(super) md5: [u8; 16],
}

impl DataFile {
    /// Compares the file with its checksum.
    pub(super) fn check(&self) -> Result<(), ExportError> {
        let mut md5 = md5::Context::new();
        io::copy(&mut self.open()?, &mut md5).map_err(|error| self.error(error.to_string()))?;
        if md5.compute().0 == self.md5 {
            Ok(())
        } else {
            Err(self.error("does not have the checksum of manifest-files.json; download the export again"))
        }
    }

    /// Calls `each` with the items of the file, in their order.
    pub(super) fn for_each_item(
        &self,
        mut each: impl FnMut(ExportedItem) -> Result<(), Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let mut lines = self.lines()?;
        let (mut line, mut number, mut items) = (Vec::new(), 0_u64, 0_u64);
        loop {
            line.clear();
            let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            if read.map_err(|error| self.error(format!("after line {number}: {error}")))? == 0 {
                break;
            }
            number += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            items += 1;
            let item = ExportedItem::parse_line(&line);
            each(item.map_err(|error| self.error(format!("line {number}: {error}")))?)?;
        }
        if items != self.item_count {
            let expected = self.item_count;
            return Err(self.error(format!("has {items} items, but {expected} in manifest-files.json")).into());
        }
        Ok(())
    }

    /// Opens the file for reading its lines. DynamoDB writes an empty file for an empty partition, which is not valid gzip.
    fn lines(&self) -> Result<Box<dyn BufRead>, ExportError> {
        let mut file = BufReader::new(self.open()?);
        let is_empty = file.fill_buf().map_err(|error| self.error(error.to_string()))?.is_empty();
        Ok(if is_empty { Box::new(file) } else { Box::new(BufReader::new(MultiGzDecoder::new(file))) })
    }

    fn open(&self) -> Result<File, ExportError> {
        File::open(&self.path).map_err(|error| self.error(format!("{error}; download the export again")))
    }

    fn error(&self, problem: impl Into<String>) -> ExportError {
        ExportError::new(&self.path, problem)
    }
}
