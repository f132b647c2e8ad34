//! Small plots, drawn on the server: a bar for each day, and the same numbers as a table for whoever can't see bars.

use jiff::civil::Date;
use maud::{Markup, html};

use super::show;

const BAR: usize = 8;
const GAP: usize = 2;
const HEIGHT: u64 = 48;

/// What happened on each of some days, oldest first.
pub(crate) fn days(name: &str, tone: &str, days: &[(Date, u64)]) -> Markup {
    let most = days.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let total: u64 = days.iter().map(|(_, count)| count).sum();
    let width = days.len() * (BAR + GAP);
    html! {
        figure.plot.(tone) {
            figcaption { span.plot-name { (name) } strong.plot-total { (show::number(total)) } }
            svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" {
                @for (at, (day, count)) in days.iter().enumerate() {
                    // A day without any has a line to stand on.
                    @let height = if *count == 0 { 1 } else { (count * HEIGHT / most).max(3) };
                    rect .none[*count == 0] x=(at * (BAR + GAP)) y=(HEIGHT - height) width=(BAR) height=(height) rx="1" {
                        title { (day.strftime("%-d %b")) ": " (count) }
                    }
                }
            }
            details {
                summary { "As a table" }
                table {
                    caption.unseen { (name) " per day" }
                    thead { tr { th scope="col" { "Day (UTC)" } th scope="col" { (name) } } }
                    tbody { @for (day, count) in days.iter().rev() { tr { td { (day.strftime("%-d %b %Y")) } td { (count) } } } }
                }
            }
        }
    }
}
