//! Bar charts, rendered on the server as SVG with an equivalent table.

use jiff::civil::Date;
use maud::{Markup, html};

use super::{components::Tone, format};

/// The width of a bar, in SVG units.
const BAR: usize = 8;
/// The space between two bars, in SVG units.
const GAP: usize = 2;
/// The height of the chart, in SVG units.
const HEIGHT: u64 = 48;

/// A chart of daily counts, oldest first, with their total.
pub(crate) fn daily_chart(title: &str, tone: Tone, days: &[(Date, u64)]) -> Markup {
    let max = days.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let total: u64 = days.iter().map(|(_, count)| count).sum();
    let width = days.len() * (BAR + GAP);
    html! {
        figure.chart.(tone.class()) {
            figcaption { span.chart-title { (title) } strong.chart-total { (format::number(total)) } }
            svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                @for (at, (day, count)) in days.iter().enumerate() {
                    // Days without events get a thin bar, so that the axis is visible.
                    @let height = if *count == 0 { 1 } else { (count * HEIGHT / max).max(3) };
                    rect .zero[*count == 0] x=(at * (BAR + GAP)) y=(HEIGHT - height) width=(BAR) height=(height) rx="1" {
                        title { (day.strftime("%-d %b")) ": " (count) }
                    }
                }
            }
            details {
                summary { "View data" }
                table {
                    caption.visually-hidden { (title) " per day" }
                    thead { tr { th scope="col" { "Day (UTC)" } th scope="col" { (title) } } }
                    tbody { @for (day, count) in days.iter().rev() { tr { td { (day.strftime("%-d %b %Y")) } td { (count) } } } }
                }
            }
        }
    }
}
