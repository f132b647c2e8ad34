//! Images in gray levels.

use super::error::PhotoError;

/// An image of gray levels, row by row.
pub(super) struct GrayImage {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
}

impl GrayImage {
    /// Creates an image. Fails if it is empty, or if the pixels are of another image.
    pub(super) fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self, PhotoError> {
        if pixels.is_empty() || pixels.len() != width * height {
            return Err(PhotoError::Damaged);
        }
        Ok(Self { width, height, pixels })
    }

    /// Returns the width or the height, whichever is larger.
    pub(super) fn longer_side(&self) -> usize {
        self.width.max(self.height)
    }

    /// Returns the image with another longer side. Each pixel is the mean of those that it covers.
    pub(super) fn scaled(&self, longer_side: usize) -> Self {
        let scale = |side: usize| (side * longer_side / self.longer_side()).max(1);
        let (width, height) = (scale(self.width), scale(self.height));
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let rows = covered(y, height, self.height);
            for x in 0..width {
                let columns = covered(x, width, self.width);
                pixels.push(self.mean(&columns, &rows));
            }
        }
        Self { width, height, pixels }
    }

    /// Returns the image with light and dark exchanged.
    pub(super) fn inverted(&self) -> Self {
        let pixels = self.pixels.iter().map(|level| !level).collect();
        Self { width: self.width, height: self.height, pixels }
    }

    fn mean(&self, columns: &std::ops::Range<usize>, rows: &std::ops::Range<usize>) -> u8 {
        let row = |y: usize| &self.pixels[y * self.width..][columns.clone()];
        let sum: usize = rows.clone().flat_map(row).map(|level| usize::from(*level)).sum();
        u8::try_from(sum / (columns.len() * rows.len())).unwrap_or(u8::MAX)
    }
}

/// Returns the pixels out of `from` that pixel `at` out of `to` covers: at least one.
fn covered(at: usize, to: usize, from: usize) -> std::ops::Range<usize> {
    let start = at * from / to;
    start..((at + 1) * from / to).max(start + 1)
}
