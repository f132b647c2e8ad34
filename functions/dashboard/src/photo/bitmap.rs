//! Images in black and white, and the finder patterns in them.

use std::collections::BTreeSet;

use super::gray_image::GrayImage;

/// A pixel is compared with the mean of the square around it, whose side is this fraction of the image's longer side. It is
/// larger than a finder pattern of most codes, and smaller than shadows on a photo.
const WINDOW_FRACTION: usize = 6;
/// A pixel is black if it is darker than this percentage of the mean.
const BLACK_PERCENT: u64 = 93;
/// The widths of the runs of a finder pattern: black, white, black, white, black.
const FINDER_PATTERN: [usize; 5] = [1, 1, 3, 1, 1];

/// An image in black and white, row by row.
pub(super) struct Bitmap {
    pub(super) width: usize,
    pub(super) height: usize,
    black: Vec<bool>,
}

impl Bitmap {
    /// Compares each pixel with its surroundings, since the light on a photo is uneven.
    pub(super) fn from_gray(image: &GrayImage) -> Self {
        let (width, height) = (image.width, image.height);
        let sums = SummedAreas::new(image);
        let reach = (image.longer_side() / WINDOW_FRACTION / 2).max(1);
        let around = |at: usize, end: usize| at.saturating_sub(reach)..(at + reach + 1).min(end);
        let mut black = Vec::with_capacity(image.pixels.len());
        for y in 0..height {
            let rows = around(y, height);
            for x in 0..width {
                let columns = around(x, width);
                let count = (columns.len() * rows.len()) as u64;
                let level = u64::from(image.pixels[y * width + x]);
                black.push(level * count * 100 < sums.sum(&columns, &rows) * BLACK_PERCENT);
            }
        }
        Self { width, height, black }
    }

    /// Returns whether a pixel is black.
    pub(super) fn is_black(&self, x: usize, y: usize) -> bool {
        self.black[y * self.width + x]
    }

    /// Returns the number of finder patterns, in any rotation: black areas that are surrounded by a black ring of a suitable
    /// size. The same rules as those of rqrr, so that it finds no more of them.
    pub(super) fn count_finder_patterns(&self) -> usize {
        let areas = BlackAreas::new(self);
        let mut found = BTreeSet::new();
        for y in 0..self.height {
            for [left, inner, right] in self.pattern_positions(y) {
                let [left, inner, right] = [left, inner, right].map(|x| areas.area(x, y));
                let ratio = areas.size(inner) * 100 / areas.size(right).max(1);
                if left == right && inner != right && (11..70).contains(&ratio) {
                    found.insert(inner);
                }
            }
        }
        found.len()
    }

    /// Returns where runs have the widths of a finder pattern: the first columns of the three black ones.
    fn pattern_positions(&self, y: usize) -> Vec<[usize; 3]> {
        let row = &self.black[y * self.width..][..self.width];
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut start = 0;
        for run in row.chunk_by(|a, b| a == b) {
            runs.push((start, run.len()));
            start += run.len();
        }
        let first_black = usize::from(row.first() == Some(&false));
        let candidates = runs.get(first_black..).unwrap_or_default().windows(5).step_by(2);
        let is_match = |runs: &&[(usize, usize)]| {
            let unit = (runs[0].1 + runs[1].1 + runs[3].1 + runs[4].1) / 4;
            let tolerance = unit * 3 / 4;
            runs.iter().zip(FINDER_PATTERN).all(|((_, width), units)| width.abs_diff(units * unit) <= tolerance)
        };
        candidates.filter(is_match).map(|runs| [runs[0].0, runs[2].0, runs[4].0]).collect()
    }
}

/// The sums of all pixels above and to the left of each pixel.
struct SummedAreas {
    stride: usize,
    sums: Vec<u64>,
}

impl SummedAreas {
    fn new(image: &GrayImage) -> Self {
        let stride = image.width + 1;
        let mut sums = vec![0; stride * (image.height + 1)];
        for (y, row) in image.pixels.chunks(image.width).enumerate() {
            let mut sum = 0;
            for (x, level) in row.iter().enumerate() {
                sum += u64::from(*level);
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + sum;
            }
        }
        Self { stride, sums }
    }

    fn sum(&self, columns: &std::ops::Range<usize>, rows: &std::ops::Range<usize>) -> u64 {
        let at = |x: usize, y: usize| self.sums[y * self.stride + x];
        at(columns.end, rows.end) + at(columns.start, rows.start)
            - at(columns.start, rows.end)
            - at(columns.end, rows.start)
    }
}

/// The connected black areas of a bitmap, as a forest: each pixel refers to an earlier one of its area.
struct BlackAreas {
    width: usize,
    parents: Vec<usize>,
    sizes: Vec<usize>,
}

impl BlackAreas {
    fn new(bitmap: &Bitmap) -> Self {
        let width = bitmap.width;
        let mut areas = Self { width, parents: (0..bitmap.black.len()).collect(), sizes: vec![0; bitmap.black.len()] };
        for at in 0..bitmap.black.len() {
            if !bitmap.black[at] {
                continue;
            }
            if at % width > 0 && bitmap.black[at - 1] {
                areas.join(at, at - 1);
            }
            if at >= width && bitmap.black[at - width] {
                areas.join(at, at - width);
            }
        }
        for at in 0..bitmap.black.len() {
            let root = areas.root(at);
            areas.parents[at] = root;
            areas.sizes[root] += 1;
        }
        areas
    }

    /// Returns the first pixel of an area. Shortens the path to it, without which an image could make this slow.
    fn root(&mut self, mut at: usize) -> usize {
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        let first = one.min(other);
        (self.parents[one], self.parents[other]) = (first, first);
    }

    /// Returns the area of a pixel.
    fn area(&self, x: usize, y: usize) -> usize {
        self.parents[y * self.width + x]
    }

    /// Returns the number of pixels of an area.
    fn size(&self, area: usize) -> usize {
        self.sizes[area]
    }
}
