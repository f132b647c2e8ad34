//! Why no QR code was read from a photo.

/// The maximum number of pixels of a photo. The largest photos that phones take unless told otherwise have 24 megapixels.
pub(super) const MAX_PIXELS: usize = 25_000_000;

/// Why no text was read from a photo. The messages are for the person who uploaded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PhotoError {
    /// The file starts like neither of the supported formats.
    #[error("This is not a PNG or JPEG file.")]
    Format,
    /// The file is cut off or damaged, or uses a rare variant of its format.
    #[error("The image is damaged.")]
    Damaged,
    /// The image has too many pixels.
    #[error("The image has more than {} megapixels.", MAX_PIXELS / 1_000_000)]
    TooManyPixels,
    /// No code was found.
    #[error("No QR code was found in the image.")]
    NoCode,
    /// A code was found and could not be read.
    #[error(
        "The QR code could not be read. Take a sharp photo from straight above, so that the code fills most of it."
    )]
    Unreadable,
    /// Several codes with different texts were found.
    #[error("The image has more than one QR code. Take a photo of one.")]
    SeveralCodes,
}
