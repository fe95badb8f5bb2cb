//! What of letters is known, and can be done about them, while no gateway runs.

use super::restore::{in_order, lifetime};
use super::{Contents, OldLetters, StoredLetter, Ttl};
use crate::office::{Change, KeptLetter, LetterOutcome, NotCancelled, Outcome, Ticket, Time};

impl Contents {
    /// The letters without an outcome, in the order of their places, each with what would
    /// become of it if a gateway was started now.
    ///
    /// The last moment that was [noted](super::Boots::observe) is the present one.
    pub fn open_letters(
        &self,
        now: Time,
        old: OldLetters,
    ) -> impl Iterator<Item = (&KeptLetter, Ttl)> {
        let has_own = |stored: &&StoredLetter| stored.kept.place.is_none();
        let own = self.letters.iter().filter(has_own);
        let taken_over = self.letters.iter().filter(move |it| !has_own(it));
        in_order(own, taken_over.collect()).map(move |stored| {
            let life = lifetime(stored, old.when_off);
            (&stored.kept, self.boots.ttl(&life, now, old.hold_until))
        })
    }

    /// What calls a letter back: its outcome is [`Expired`](Outcome::Expired). It may have
    /// been sent.
    ///
    /// # Errors
    /// There is no such letter, or it has its outcome.
    pub fn cancel(&self, ticket: Ticket) -> Result<Change, NotCancelled> {
        let stored = self.letters.get(ticket).ok_or(NotCancelled::Unknown)?;
        let KeptLetter { guest, letter, .. } = &stored.kept;
        Ok(Change::Concluded {
            guest: guest.clone(),
            told: LetterOutcome {
                ticket,
                tag: letter.tag.clone(),
                outcome: Outcome::Expired { sent: true },
            },
        })
    }
}
