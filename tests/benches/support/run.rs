//! What one run of a contender shows.

use std::time::Instant;

use super::contender::Contender;
use super::cpu::Cpu;
use super::peer::Peer;
use super::table;

/// What one run has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Messages a second.
    pub(crate) per_second: f64,
    /// Processor time of the contender for one message, in microseconds.
    pub(crate) cpu: f64,
    /// How many cores the contender keeps busy.
    pub(crate) contender_cores: f64,
    /// How many cores its peer keeps busy, with mosquitto where there is one.
    pub(crate) peer_cores: f64,
}

/// A run that has begun.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    begun: Instant,
    contender: Cpu,
    peer: Cpu,
}

impl Stopwatch {
    /// Begins a run.
    pub(crate) fn start(contender: &Contender, peer: &Peer) -> Self {
        Self {
            contender: contender.cpu(),
            peer: peer.cpu(),
            begun: Instant::now(),
        }
    }

    /// Ends it, after so many messages.
    pub(crate) fn stop(self, contender: &Contender, peer: &Peer, count: u32) -> Run {
        let took = self.begun.elapsed();
        let contender = contender.cpu() - self.contender;
        let peer = peer.cpu() - self.peer;
        Run {
            per_second: f64::from(count) / took.as_secs_f64(),
            cpu: contender.micros_each(count),
            contender_cores: contender.share(took),
            peer_cores: peer.share(took),
        }
    }
}

/// The cells of a table that tell how fast we are beside others: ratios first,
/// then messages a second and processor time of each. A contender without runs
/// has not taken part.
pub(crate) fn cells(ours: &[Run], others: &[Vec<Run>]) -> Vec<String> {
    let cell = |runs: &[Run], text: &dyn Fn(&[Run]) -> String| match runs {
        [] => "–".to_string(),
        runs => text(runs),
    };
    let all = || [ours].into_iter().chain(others.iter().map(Vec::as_slice));
    let of = |runs: &[Run], what: fn(&Run) -> f64| table::median(runs.iter().map(what));
    let speed = |run: &Run| run.per_second;
    let ratio = |theirs: &[Run]| format!("{:.2}", table::ratio(ours, theirs, speed));
    let mut cells: Vec<_> = all().skip(1).map(|runs| cell(runs, &ratio)).collect();
    cells.extend(all().map(|runs| cell(runs, &|runs| format!("{:.0}", of(runs, speed)))));
    cells.extend(all().map(|runs| cell(runs, &|runs| format!("{:.2}", of(runs, |run| run.cpu)))));
    cells.push(format!(
        "{:.2} : {:.2}",
        of(ours, |run| run.contender_cores),
        of(ours, |run| run.peer_cores),
    ));
    cells
}
