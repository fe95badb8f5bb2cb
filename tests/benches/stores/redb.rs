//! redb: a B-tree whose pages are copied on write.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{ByTicket, Change, Kept, OUTCOME, Result, Store};

type Definition = TableDefinition<'static, u64, &'static [u8]>;

const LETTERS: Definition = TableDefinition::new("letters");
const OUTCOMES: Definition = TableDefinition::new("outcomes");

pub(crate) struct Redb(Database);

impl Redb {
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let mut builder = Database::builder();
        // What is kept is in memory anyway.
        builder.set_cache_size(32 << 20);
        let database = builder.create(directory.join("list.redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(LETTERS)?;
        transaction.open_table(OUTCOMES)?;
        transaction.commit()?;
        Ok(Self(database))
    }

    fn all(&self, definition: Definition) -> Result<ByTicket> {
        let table = self.0.begin_read()?.open_table(definition)?;
        let mut all = ByTicket::new();
        for entry in table.iter()? {
            let (ticket, value) = entry?;
            all.insert(ticket.value(), value.value().into());
        }
        Ok(all)
    }
}

impl Store for Redb {
    fn commit(&mut self, group: &[Change]) -> Result<()> {
        let transaction = self.0.begin_write()?;
        {
            let mut letters = transaction.open_table(LETTERS)?;
            let mut outcomes = transaction.open_table(OUTCOMES)?;
            for change in group {
                match change {
                    Change::Accepted(ticket, letter) => {
                        letters.insert(ticket, &**letter)?;
                    }
                    Change::Concluded(ticket) => {
                        letters.remove(ticket)?;
                        outcomes.insert(ticket, &OUTCOME[..])?;
                    }
                    Change::Told(ticket) => {
                        outcomes.remove(ticket)?;
                    }
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn check(&mut self) -> Result<()> {
        if self.0.check_integrity()? {
            Ok(())
        } else {
            Err("it was damaged".into())
        }
    }

    fn load(&mut self) -> Result<Kept> {
        Ok(Kept::Bytes {
            letters: self.all(LETTERS)?,
            outcomes: self.all(OUTCOMES)?,
        })
    }
}
