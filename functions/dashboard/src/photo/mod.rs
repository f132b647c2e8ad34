//! Reads the text of a QR code from an uploaded photo.
//!
//! The uploader decides what is in a photo: its size is checked before it is decoded, its pixels are reduced before
//! they are searched, and the search is bounded.

mod bitmap;
mod decode;
mod error;
mod gray_image;

#[cfg(test)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "coordinates and gray levels of painted photos are small"
)]
mod tests;

use std::collections::BTreeSet;

use rqrr::PreparedImage;

pub(crate) use self::error::PhotoError;
use self::{bitmap::Bitmap, gray_image::GrayImage};

/// The longer side to which a larger photo is reduced, in pixels.
const MAX_SIDE: usize = 1600;
/// The longer sides to which a photo is scaled, in pixels, in the order in which they are searched. Scaling down removes
/// noise; codes with many modules need more pixels.
const SIDES: [usize; 3] = [1000, MAX_SIDE, 600];
/// Images with shorter sides, such as screenshots with one pixel per module, are also enlarged.
const MIN_SIDE: usize = 400;
/// The factor by which they are enlarged.
const ENLARGEMENT: usize = 3;
/// The maximum number of finder patterns in an image that is searched. A code has three. The search takes time that grows with
/// their square or cube.
const MAX_FINDER_PATTERNS: usize = 12;

/// Returns the text of the QR code in a PNG or JPEG file. Takes up to a second of CPU time.
pub(crate) fn read_qr_code(file: &[u8]) -> Result<String, PhotoError> {
    let photo = decode::decode(file)?;
    let photo = photo.scaled(photo.longer_side().min(MAX_SIDE));
    let mut error = PhotoError::NoCode;
    for side in sides(photo.longer_side()) {
        let scaled = photo.scaled(side);
        // An app with a dark theme may show a light code on a dark background.
        for image in [&scaled, &scaled.inverted()] {
            match read_codes(image) {
                Err(PhotoError::NoCode) => {}
                Err(PhotoError::Unreadable) => error = PhotoError::Unreadable,
                result => return result,
            }
        }
    }
    Err(error)
}

/// Returns the sizes in which an image with this longer side is searched.
fn sides(longer_side: usize) -> Vec<usize> {
    let enlarged = (longer_side < MIN_SIDE).then_some(longer_side * ENLARGEMENT);
    let mut sides: Vec<usize> = SIDES.iter().map(|side| longer_side.min(*side)).chain(enlarged).collect();
    sides.dedup();
    sides
}

fn read_codes(image: &GrayImage) -> Result<String, PhotoError> {
    let bitmap = Bitmap::from_gray(image);
    let patterns = bitmap.count_finder_patterns();
    if patterns < 3 {
        return Err(PhotoError::NoCode);
    }
    if patterns > MAX_FINDER_PATTERNS {
        return Err(PhotoError::Unreadable);
    }
    let mut prepared = PreparedImage::prepare_from_bitmap(bitmap.width, bitmap.height, |x, y| bitmap.is_black(x, y));
    let codes = prepared.detect_grids();
    let texts: BTreeSet<String> = codes.iter().filter_map(|code| code.decode().ok()).map(|(_, text)| text).collect();
    match (texts.len(), codes.len()) {
        (0, 0) => Err(PhotoError::NoCode),
        (0, _) => Err(PhotoError::Unreadable),
        (1, _) => texts.into_iter().next().ok_or(PhotoError::NoCode),
        _ => Err(PhotoError::SeveralCodes),
    }
}
