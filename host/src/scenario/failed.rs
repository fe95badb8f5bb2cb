//! How a scenario has failed, for the one who has to find out why.

use std::fmt;

use crate::testing::Record;

/// How many records are shown: the last ones.
const SHOWN: usize = 40;

/// How a scenario has failed. Displayed as lines, without the last line break:
/// what was expected beside what was seen, and what happened up to then.
#[derive(Debug)]
pub struct Failed {
    pub(super) line: usize,
    pub(super) expected: String,
    pub(super) seen: Vec<String>,
    pub(super) records: Vec<Record>,
}

impl Failed {
    /// The line of the step, or of the scenario if something was left at its
    /// end.
    pub fn line(&self) -> usize {
        self.line
    }

    /// What was expected.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What was seen in its place; never empty.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// The log of the scenario up to its failure.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EXPECTED: &str = "expected";
        let width = self.expected.chars().count().max(EXPECTED.len());
        write!(f, "  {EXPECTED:width$} | seen")?;
        for (row, seen) in self.seen.iter().enumerate() {
            let expected = if row == 0 { self.expected.as_str() } else { "" };
            write!(f, "\n  {expected:width$} | {seen}")?;
        }
        if self.records.is_empty() {
            return write!(f, "\n  what happened: nothing");
        }
        write!(f, "\n  what happened:")?;
        let left_out = self.records.len().saturating_sub(SHOWN);
        if left_out > 0 {
            write!(f, "\n    ({left_out} more before)")?;
        }
        for record in &self.records[left_out..] {
            write!(f, "\n    {record}")?;
        }
        Ok(())
    }
}
