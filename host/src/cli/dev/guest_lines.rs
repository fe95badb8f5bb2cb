//! What the guest prints, among the other lines: the log of this command.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::screen::Screen;

/// Prints the guest's own lines, and errors that nothing else prints.
pub(super) fn layer<S>(screen: Screen) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = filter_fn(is_shown).with_max_level_hint(LevelFilter::INFO);
    GuestLines(screen).with_filter(filter)
}

fn is_shown(about: &Metadata<'_>) -> bool {
    // What the gateway logs, the reporter prints.
    let is_reported = about.target().starts_with("jackalope::gateway");
    about.target() == "guest" || (*about.level() == Level::ERROR && !is_reported)
}

struct GuestLines(Screen);

impl<S: Subscriber> Layer<S> for GuestLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let (subject, mark) = match (event.metadata().target(), *event.metadata().level()) {
            ("guest", Level::INFO) => ("guest", "| "),
            ("guest", _) => ("guest", "! "),
            _ => ("error", ""),
        };
        self.0.line(subject, format_args!("{mark}{}", line.message));
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
