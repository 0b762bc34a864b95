//! A database that goes on when its disk does. Once it could not write or read it takes nothing more, says redb, until it is
//! opened again: a disk that was full for a second would be one that keeps nothing until the next start.

use redb::{Database, Error};

/// How it is opened again.
type Open = Box<dyn FnMut() -> Result<Database, Error> + Send>;

/// The database, which is opened again at the next use after something failed.
pub(crate) struct Reopened {
    database: Option<Database>,
    open: Open,
}

impl Reopened {
    /// With the one that is open already.
    pub(crate) fn new(
        database: Database,
        open: impl FnMut() -> Result<Database, Error> + Send + 'static,
    ) -> Self {
        Self { database: Some(database), open: Box::new(open) }
    }

    /// Does something with it.
    ///
    /// # Errors
    /// It cannot be opened, or what is done with it failed; the next use begins anew.
    pub(crate) fn with<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, Error>,
    ) -> Result<T, Error> {
        // It is locked while it is open, so the old one goes before there is another.
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.open)()?,
        };
        let done = work(&database)?;
        self.database = Some(database);
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::cut::{Backend, made, open};

    fn write(database: &Database) -> Result<(), Error> {
        let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("t");
        let transaction = database.begin_write()?;
        transaction.open_table(table)?.insert(1, 2)?;
        Ok(transaction.commit()?)
    }

    /// The disk refuses a write, and then has place again.
    #[test]
    fn a_database_that_could_not_write_takes_more_when_the_disk_does() {
        let image = made(|database| write(database).expect("written"));
        let whole = Backend::of(image.clone(), None);
        let opened = open(&whole).expect("opened");
        let full = Backend::of(image.clone(), Some(whole.operations()));
        drop(opened);
        let database = open(&full).expect("opened");
        let mut opened = 0;
        let mut reopened = Reopened::new(database, move || {
            opened += 1;
            // Still full at first.
            let disk = Backend::of(image.clone(), if opened == 1 { Some(0) } else { None });
            Ok(open(&disk)?)
        });
        assert!(reopened.with(write).is_err(), "it is full");
        assert!(reopened.with(write).is_err(), "and cannot be opened");
        assert!(reopened.with(write).is_ok(), "it has place");
        assert!(reopened.with(write).is_ok());
    }
}
