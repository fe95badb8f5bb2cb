//! What the guest prints, and errors that nothing else prints, among the other lines.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::screen::Screen;
use crate::guest::Listener;

/// Prints the guest's own lines.
pub(super) fn listener(screen: &Screen) -> Listener {
    let screen = screen.clone();
    Listener::new(move |printed| screen.line("guest", printed))
}

/// Prints errors of the log.
pub(super) fn layer<S>(screen: Screen) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = filter_fn(is_shown).with_max_level_hint(LevelFilter::ERROR);
    Errors(screen).with_filter(filter)
}

fn is_shown(about: &Metadata<'_>) -> bool {
    // What the gateway logs, the reporter prints.
    let is_reported = about.target().starts_with("jackalope::gateway");
    *about.level() == Level::ERROR && !is_reported
}

struct Errors(Screen);

impl<S: Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.line("error", line.message);
    }
}

/// The text of a log line.
#[derive(Default)]
struct Line {
    message: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a text does not fail.
            let _ = write!(self.message, "{value:?}");
        }
    }
}
