//! Decodes PNG and JPEG files into gray levels.

use std::io::Cursor;

use png::{ColorType, Limits, Transformations};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{
    error::{MAX_PIXELS, PhotoError},
    gray_image::GrayImage,
};

/// The maximum width and height, in pixels.
const MAX_SIDE: usize = 10_000;
/// The maximum memory that the PNG decoder uses besides the image, in bytes.
const MAX_PNG_BYTES: usize = 16_000_000;
/// The maximum number of scans of a progressive JPEG, each of which costs time. Encoders write about ten.
const MAX_JPEG_SCANS: usize = 30;

/// Decodes a file. Checks the size before it decodes the pixels.
pub(super) fn decode(file: &[u8]) -> Result<GrayImage, PhotoError> {
    match file {
        [0x89, b'P', b'N', b'G', ..] => decode_png(file),
        [0xff, 0xd8, 0xff, ..] => decode_jpeg(file),
        _ => Err(PhotoError::Format),
    }
}

fn check_size(width: usize, height: usize) -> Result<(), PhotoError> {
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(PhotoError::TooManyPixels);
    }
    Ok(())
}

fn decode_png(file: &[u8]) -> Result<GrayImage, PhotoError> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(file), Limits { bytes: MAX_PNG_BYTES });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(|_| PhotoError::Damaged)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(width, height)?;
    let mut reader = decoder.read_info().map_err(|_| PhotoError::Damaged)?;
    let mut samples = vec![0; reader.output_buffer_size().ok_or(PhotoError::TooManyPixels)?];
    let frame = reader.next_frame(&mut samples).map_err(|_| PhotoError::Damaged)?;
    let pixels = match frame.color_type {
        ColorType::Grayscale => samples,
        ColorType::GrayscaleAlpha => {
            samples.as_chunks().0.iter().map(|[level, alpha]| on_white(*level, *alpha)).collect()
        }
        ColorType::Rgb => samples.as_chunks().0.iter().map(|[r, g, b]| luma(*r, *g, *b)).collect(),
        ColorType::Rgba => {
            samples.as_chunks().0.iter().map(|[r, g, b, alpha]| on_white(luma(*r, *g, *b), *alpha)).collect()
        }
        // Expanded by the transformations.
        ColorType::Indexed => return Err(PhotoError::Damaged),
    };
    GrayImage::new(width, height, pixels)
}

fn decode_jpeg(file: &[u8]) -> Result<GrayImage, PhotoError> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::Luma)
        .jpeg_set_max_scans(MAX_JPEG_SCANS)
        // A file that is cut off is an error, not a half gray image.
        .set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(|_| PhotoError::Damaged)?;
    let info = decoder.info().ok_or(PhotoError::Damaged)?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(width, height)?;
    let pixels = decoder.decode().map_err(|_| PhotoError::Damaged)?;
    GrayImage::new(width, height, pixels)
}

/// Returns the brightness of a color (ITU-R BT.601, as in JPEG).
fn luma(r: u8, g: u8, b: u8) -> u8 {
    let sum = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    u8::try_from(sum / 1000).unwrap_or(u8::MAX)
}

/// Returns the brightness of a transparent pixel on a white page.
fn on_white(level: u8, alpha: u8) -> u8 {
    let (level, alpha) = (u32::from(level), u32::from(alpha));
    u8::try_from((level * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
}
