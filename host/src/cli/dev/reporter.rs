//! Reports what the gateway does, line by line.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::screen::Screen;
use super::state::State;
use crate::gateway::{Observed, Teller};
use crate::office::{Answer, Notice, Ticket};

/// Prints what happens, and keeps the [`State`] up to date.
#[derive(Debug)]
pub(super) struct Reporter {
    screen: Screen,
    teller: Teller,
    /// The latest state, which the others see once it is reported.
    now: State,
    state: watch::Sender<State>,
    /// Letters without an outcome, and whether they went out on this connection.
    letters: BTreeMap<Ticket, bool>,
}

impl Reporter {
    pub(super) fn new(screen: Screen, state: watch::Sender<State>) -> Self {
        Self {
            screen,
            teller: Teller::default(),
            now: State::default(),
            state,
            letters: BTreeMap::new(),
        }
    }

    /// Reports something that the gateway has done.
    pub(super) fn report(&mut self, observed: &Observed<'_>) {
        let screen = &self.screen;
        self.teller
            .tell(observed, |news| screen.line(news.subject, news));
        self.now.is_busy = true;
        match observed {
            Observed::Notice(notice) => self.count(notice),
            Observed::Called {
                answer: Answer::Done(effects) | Answer::Rejected(_, effects),
                ..
            } => self.now.totals.count_displaced(effects.displaced.len()),
            Observed::Waiting(backlog) => {
                self.now.backlog = *backlog;
                self.now.is_busy = backlog.is_calling;
            }
            Observed::Called { .. } | Observed::Replaced { .. } => {}
        }
        self.now.unsent = self.letters.values().filter(|is_sent| !**is_sent).count();
        self.state.send_replace(self.now);
    }

    fn count(&mut self, notice: &Notice) {
        let now = &mut self.now;
        match notice {
            Notice::Online { .. } => {
                self.letters
                    .values_mut()
                    .for_each(|is_sent| *is_sent = false);
                (now.is_online, now.answered) = (true, 0);
            }
            Notice::Offline { .. } => {
                now.is_online = false;
                now.disconnections += 1;
            }
            Notice::Subscribed { .. }
            | Notice::SubscriptionRefused { .. }
            | Notice::SubscriptionHangsUp { .. } => now.answered += 1,
            Notice::Received { .. } => now.totals.messages += 1,
            Notice::Accepted { letter, .. } => {
                now.totals.letters += 1;
                self.letters.insert(letter.ticket, false);
            }
            Notice::Sent { ticket, .. } => {
                if let Some(is_sent) = self.letters.get_mut(ticket) {
                    *is_sent = true;
                }
            }
            // Letters that were displaced within their call were counted with it.
            Notice::Outcome {
                ticket, outcome, ..
            } if self.letters.remove(ticket).is_some() => now.totals.count(*outcome),
            _ => {}
        }
    }
}
