//! Photos are painted: a code in perspective, with uneven light and noise. The JPEG files in `photos` were made of the same
//! kind of image, with Pillow.

use qrcode::{EcLevel, QrCode};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

/// A request with a public key is as long.
const LONG: usize = 640;

/// How a code is painted.
#[derive(Clone, Copy)]
struct Scene {
    /// Width and height, in pixels.
    size: usize,
    /// Part of the width that the code takes, at most 1.
    fill: f64,
    /// Rotation in degrees.
    angle: f64,
    /// How much smaller the far side of the code is.
    tilt: f64,
    /// Amplitude of the noise, in gray levels.
    noise: i32,
    /// Levels of dark modules, of light modules, and of the background.
    levels: [f64; 3],
}

const PLAIN: Scene = Scene { size: 400, fill: 0.6, angle: 0.0, tilt: 0.0, noise: 0, levels: [0.0, 255.0, 255.0] };
/// As on a photo: gray, tilted, noisy.
const PHOTO: Scene = Scene { size: 640, fill: 0.7, angle: 8.0, tilt: 0.1, noise: 25, levels: [50.0, 190.0, 120.0] };

impl Scene {
    fn paint(&self, text: &str) -> GrayImage {
        self.paint_codes(&[text])
    }

    /// Draws codes side by side.
    fn paint_codes(&self, texts: &[&str]) -> GrayImage {
        let codes: Vec<QrCode> =
            texts.iter().map(|text| QrCode::with_error_correction_level(text, EcLevel::M).unwrap()).collect();
        let mut random = StdRng::seed_from_u64(7);
        let size = self.size;
        let mut pixels = Vec::new();
        for y in 0..size {
            for x in 0..size * codes.len() {
                let level = self.level(&codes[x / size], x % size, y);
                // The light falls off to one side.
                let light = 1.0 - 0.3 * (x % size) as f64 / size as f64;
                let noise = if self.noise > 0 { random.random_range(-self.noise..=self.noise) } else { 0 };
                pixels.push((level * light + f64::from(noise)).clamp(0.0, 255.0) as u8);
            }
        }
        GrayImage { width: size * codes.len(), height: size, pixels }
    }

    /// Returns the level at a pixel: finds the module there, by undoing rotation and perspective.
    fn level(&self, code: &QrCode, x: usize, y: usize) -> f64 {
        let centered = |at: usize| (at as f64 + 0.5) / self.size as f64 * 2.0 - 1.0;
        let (sin, cos) = self.angle.to_radians().sin_cos();
        let (x, y) = (centered(x) * cos + centered(y) * sin, centered(y) * cos - centered(x) * sin);
        let scale = self.fill * (1.0 - self.tilt * y);
        let width = code.width() as f64;
        let module = |at: f64| f64::midpoint(at / scale, 1.0) * width;
        let (column, row) = (module(x), module(y));
        let quiet_zone = -4.0..width + 4.0;
        if !quiet_zone.contains(&column) || !quiet_zone.contains(&row) {
            return self.levels[2];
        }
        let inside = 0.0..width;
        if !inside.contains(&column) || !inside.contains(&row) {
            return self.levels[1];
        }
        match code[(column as usize, row as usize)] {
            qrcode::Color::Dark => self.levels[0],
            qrcode::Color::Light => self.levels[1],
        }
    }
}

fn text(length: usize) -> String {
    let letters = "eyJwcm9kdWN0IjoiYXRsYXMiLCJtYWNoaW5lX2lkIjoi".chars().cycle();
    "signet-request/1:".chars().chain(letters).take(length).collect()
}

fn png(image: &GrayImage) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, image.width as u32, image.height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&image.pixels).unwrap();
    file
}

fn read(scene: Scene, length: usize) -> Result<String, PhotoError> {
    read_qr_code(&png(&scene.paint(&text(length))))
}

#[test]
fn code_is_read_in_any_rotation() {
    let angles: Vec<u32> = (5..360).step_by(45).collect();
    let is_read = |angle: &u32| read(Scene { angle: f64::from(*angle), fill: 0.55, ..PHOTO }, 131) == Ok(text(131));
    let failed: Vec<&u32> = angles.iter().filter(|angle| !is_read(angle)).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn code_is_read_in_any_size() {
    let sizes = [(110, 0.8), (200, 0.7), (400, 0.95), (700, 0.3), (1300, 0.9), (1800, 0.2)];
    let failed: Vec<(usize, f64)> = sizes
        .into_iter()
        .filter(|(size, fill)| read(Scene { size: *size, fill: *fill, ..PLAIN }, 120) != Ok(text(120)))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn long_request_is_read_from_a_photo() {
    assert_eq!(read(Scene { size: 1100, fill: 0.85, tilt: 0.03, ..PHOTO }, LONG), Ok(text(LONG)));
    assert_eq!(read(Scene { size: 500, fill: 0.9, ..PLAIN }, LONG), Ok(text(LONG)));
}

#[test]
fn code_is_read_on_gray_and_dark_backgrounds() {
    for levels in [[0.0, 255.0, 0.0], [80.0, 140.0, 110.0], [230.0, 20.0, 20.0], [40.0, 90.0, 60.0]] {
        for scene in [PLAIN, Scene { noise: 5, tilt: 0.15, ..PHOTO }] {
            assert_eq!(read(Scene { levels, ..scene }, 120), Ok(text(120)), "{levels:?}");
        }
    }
}

#[test]
fn colors_and_transparency_are_reduced_to_gray() {
    let gray = PLAIN.paint("signet");
    let encode = |color, bytes: Vec<u8>| {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, gray.width as u32, gray.height as u32);
        encoder.set_color(color);
        encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
        file
    };
    let each = |bytes: fn(u8) -> Vec<u8>| gray.pixels.iter().flat_map(|level| bytes(*level)).collect::<Vec<u8>>();
    let blue = encode(png::ColorType::Rgb, each(|level| vec![level, level, 255]));
    let black_on_nothing = encode(png::ColorType::Rgba, each(|level| vec![0, 0, 0, 255 - level]));
    let with_alpha = encode(png::ColorType::GrayscaleAlpha, each(|level| vec![level, 255]));
    for file in [blue, black_on_nothing, with_alpha] {
        assert_eq!(read_qr_code(&file), Ok("signet".to_owned()));
    }
}

#[test]
fn jpeg_files_are_read() {
    for file in [&include_bytes!("photos/baseline.jpg")[..], include_bytes!("photos/progressive.jpg")] {
        assert_eq!(read_qr_code(file), Ok(text(120)));
        for end in [3, 20, 200, file.len() / 2] {
            assert_eq!(read_qr_code(&file[..end]), Err(PhotoError::Damaged), "{end}");
        }
    }
}

#[test]
fn images_without_a_readable_code_are_refused() {
    let scene = Scene { noise: 60, ..PHOTO };
    let empty = GrayImage { width: 300, height: 200, pixels: vec![200; 60_000] };
    assert_eq!(read_qr_code(&png(&empty)), Err(PhotoError::NoCode));
    let mut random = StdRng::seed_from_u64(1);
    let noise = GrayImage { width: 300, height: 300, pixels: (0..90_000).map(|_| random.random()).collect() };
    assert_eq!(read_qr_code(&png(&noise)), Err(PhotoError::NoCode));
    // A thumb covers a third of the code.
    let mut covered = scene.paint(&text(300));
    let start = covered.pixels.len() / 2;
    covered.pixels[start..].iter_mut().enumerate().filter(|(at, _)| at % 640 > 330).for_each(|(_, level)| *level = 150);
    let error = read_qr_code(&png(&covered)).unwrap_err();
    assert!(matches!(error, PhotoError::Unreadable | PhotoError::NoCode), "{error:?}");
}

#[test]
fn one_of_several_codes_is_not_chosen() {
    let file = png(&PLAIN.paint_codes(&["signet-request/1:one", "https://example.com"]));
    assert_eq!(read_qr_code(&file), Err(PhotoError::SeveralCodes));
    let file = png(&PLAIN.paint_codes(&["the same", "the same"]));
    assert_eq!(read_qr_code(&file), Ok("the same".to_owned()));
}

#[test]
fn other_and_damaged_files_are_refused() {
    for file in [&b""[..], b"signet-request/1:", b"GIF89a", b"%PDF-1.7", b"\x89PN", b"RIFF....WEBP"] {
        assert_eq!(read_qr_code(file), Err(PhotoError::Format));
    }
    let file = png(&PLAIN.paint("signet"));
    for end in [8, 20, 40, file.len() / 2, file.len() - 20] {
        assert_eq!(read_qr_code(&file[..end]), Err(PhotoError::Damaged), "{end}");
    }
    let mut random = StdRng::seed_from_u64(3);
    for start in [&file, &include_bytes!("photos/baseline.jpg").to_vec()] {
        for _ in 0..200 {
            let mut damaged = start.clone();
            for _ in 0..3 {
                let at = random.random_range(3..damaged.len());
                damaged[at] = random.random();
            }
            // Any result is fine; it must not panic.
            let _ = decode::decode(&damaged);
        }
    }
}

/// A PNG file of zeros is a thousandth of its pixels.
#[test]
fn image_with_too_many_pixels_is_refused_before_it_is_decoded() {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 9000, 9000);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.write_header().unwrap().write_image_data(&vec![0; 1125 * 9000]).unwrap();
    assert!(file.len() < 100_000);
    assert_eq!(read_qr_code(&file), Err(PhotoError::TooManyPixels));

    let mut jpeg = include_bytes!("photos/baseline.jpg").to_vec();
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let error = read_qr_code(&jpeg).unwrap_err();
    assert!(matches!(error, PhotoError::TooManyPixels | PhotoError::Damaged), "{error:?}");
    assert_eq!(
        decode::decode(&png(&GrayImage { width: 10_001, height: 1, pixels: vec![0; 10_001] })).err(),
        Some(PhotoError::TooManyPixels)
    );
}

/// The search of rqrr takes time that grows with the cube of the number of finder patterns.
#[test]
fn image_full_of_finder_patterns_is_refused_without_a_search() {
    const SIDE: usize = 900;
    let is_black = |x: usize, y: usize| {
        let distance = x.abs_diff(4).max(y.abs_diff(4));
        distance <= 1 || distance == 3
    };
    let pixel = |at: usize| if is_black(at % SIDE % 9, at / SIDE % 9) { 0 } else { 255 };
    let image = GrayImage { width: SIDE, height: SIDE, pixels: (0..SIDE * SIDE).map(pixel).collect() };
    assert_eq!(Bitmap::from_gray(&image).count_finder_patterns(), 10_000);
    assert_eq!(read_codes(&image), Err(PhotoError::Unreadable));
}

/// The largest image that is searched without success, so that the time of a search is seen when it changes.
#[test]
fn image_with_the_most_finder_patterns_is_searched() {
    const SIDE: usize = 1600;
    let is_black = |x: usize, y: usize| {
        let distance = (x % 400 / 8).abs_diff(25).max((y % 533 / 8).abs_diff(25));
        distance <= 1 || distance == 3
    };
    let pixel = |at: usize| if is_black(at % SIDE, at / SIDE) { 0 } else { 255 };
    let image = GrayImage { width: SIDE, height: SIDE, pixels: (0..SIDE * SIDE).map(pixel).collect() };
    assert_eq!(Bitmap::from_gray(&image).count_finder_patterns(), MAX_FINDER_PATTERNS);
    assert!(read_qr_code(&png(&image)).is_err());
}

#[test]
fn sizes_are_searched_in_order() {
    assert_eq!(sides(4000), [1000, 1600, 600]);
    assert_eq!(sides(1200), [1000, 1200, 600]);
    assert_eq!(sides(700), [700, 600]);
    assert_eq!(sides(200), [200, 600]);
}
