//! SQLite, built in, in the mode that syncs with each transaction.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{ByTicket, Change, Kept, OUTCOME, Result, Store};

pub(crate) struct Sqlite(Connection);

impl Sqlite {
    pub(crate) fn open(directory: &Path, journal: &str) -> Result<Self> {
        let connection = Connection::open(directory.join("list.sqlite"))?;
        connection.pragma_update(None, "journal_mode", journal)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS letters (ticket INTEGER PRIMARY KEY, letter BLOB NOT NULL);
             CREATE TABLE IF NOT EXISTS outcomes (ticket INTEGER PRIMARY KEY, outcome BLOB NOT NULL);",
        )?;
        Ok(Self(connection))
    }

    fn all(&self, query: &str) -> Result<ByTicket> {
        let mut statement = self.0.prepare(query)?;
        let rows = statement.query_map([], |row| {
            let value = row.get_ref(1)?.as_blob()?.into();
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), value))
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}

impl Store for Sqlite {
    fn commit(&mut self, group: &[Change]) -> Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut accepted = transaction.prepare_cached("INSERT INTO letters VALUES (?1, ?2)")?;
            let mut gone = transaction.prepare_cached("DELETE FROM letters WHERE ticket = ?1")?;
            let mut concluded =
                transaction.prepare_cached("INSERT INTO outcomes VALUES (?1, ?2)")?;
            let mut told = transaction.prepare_cached("DELETE FROM outcomes WHERE ticket = ?1")?;
            for change in group {
                match change {
                    Change::Accepted(ticket, letter) => {
                        accepted.execute(params![ticket.cast_signed(), letter])?;
                    }
                    Change::Concluded(ticket) => {
                        gone.execute(params![ticket.cast_signed()])?;
                        concluded.execute(params![ticket.cast_signed(), OUTCOME])?;
                    }
                    Change::Told(ticket) => {
                        told.execute(params![ticket.cast_signed()])?;
                    }
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn check(&mut self) -> Result<()> {
        let said: String = self
            .0
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if said == "ok" {
            Ok(())
        } else {
            Err(said.into())
        }
    }

    fn load(&mut self) -> Result<Kept> {
        Ok(Kept::Bytes {
            letters: self.all("SELECT ticket, letter FROM letters ORDER BY ticket")?,
            outcomes: self.all("SELECT ticket, outcome FROM outcomes ORDER BY ticket")?,
        })
    }
}
