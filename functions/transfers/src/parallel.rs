//! Which lines run at the same time.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::{StreamExt, stream};

use crate::{
    importer::Importer,
    lines::Line,
    outcome::{LineOutcome, NumberedLine, StopError},
};

/// The maximum number of lines that are distributed to lanes at a time. The time of the request is checked between them.
pub(crate) const WINDOW: usize = 32;
/// The maximum number of lanes that run at the same time.
const MAX_CONCURRENCY: usize = 16;

/// Lines that run one after the other, because they have a value in common, by their positions.
type Lane = Vec<usize>;

/// Distributes lines to lanes, so that the first of several lines with the same external id, email address, key string or
/// license key always precedes the others, and the last license key of a customer becomes the current one.
fn lanes(lines: &[NumberedLine]) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut by_value: HashMap<String, usize> = HashMap::new();
    for (position, line) in lines.iter().enumerate() {
        let values = line.line.as_ref().map(shared_values).unwrap_or_default();
        let mut found: Vec<usize> = values.iter().filter_map(|value| by_value.get(value).copied()).collect();
        found.sort_unstable();
        found.dedup();
        let lane = found.first().copied().unwrap_or_else(|| {
            lanes.push(Vec::new());
            lanes.len() - 1
        });
        for other in found.into_iter().skip(1) {
            let moved = std::mem::take(&mut lanes[other]);
            lanes[lane].extend(moved);
            by_value.values_mut().filter(|of| **of == other).for_each(|of| *of = lane);
        }
        lanes[lane].push(position);
        by_value.extend(values.into_iter().map(|value| (value, lane)));
    }
    for lane in &mut lanes {
        lane.sort_unstable();
    }
    lanes
}

/// Returns the values of a line that make it wait for an earlier line with one of them.
fn shared_values(line: &Line) -> Vec<String> {
    match line {
        Line::Customer(line) => line.shared_values(),
        Line::License(line) => line.shared_values(),
        Line::Activation(line) => vec![line.license_external_id.clone()],
    }
}

/// Processes the lines of each lane in order, and several lanes at the same time. After an error, begins no further line.
/// Returns the outcomes in the order of the lines; `None` for those that were not begun.
pub(crate) async fn run_lanes(
    importer: &Importer<'_>,
    lines: &[NumberedLine],
) -> Vec<Option<Result<LineOutcome, StopError>>> {
    let has_stopped = AtomicBool::new(false);
    let run = |lane: Lane| run_lane(importer, lines, lane, &has_stopped);
    let mut all: Vec<Option<_>> = std::iter::repeat_with(|| None).take(lines.len()).collect();
    let mut done = stream::iter(lanes(lines).into_iter().map(run)).buffer_unordered(MAX_CONCURRENCY);
    while let Some(outcomes) = done.next().await {
        for (position, outcome) in outcomes {
            all[position] = Some(outcome);
        }
    }
    all
}

async fn run_lane(
    importer: &Importer<'_>,
    lines: &[NumberedLine],
    lane: Lane,
    has_stopped: &AtomicBool,
) -> Vec<(usize, Result<LineOutcome, StopError>)> {
    let mut outcomes = Vec::new();
    for position in lane {
        if has_stopped.load(Ordering::Relaxed) {
            break;
        }
        let outcome = importer.process(&lines[position]).await;
        has_stopped.fetch_or(outcome.is_err(), Ordering::Relaxed);
        outcomes.push((position, outcome));
    }
    outcomes
}
