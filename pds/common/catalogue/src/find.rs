//! Finding one name: the newest version up to a given one.

use crate::catalogue::Catalogue;
use crate::cursor::{Cursor, Settled};
use crate::entry::{Entry, NEWEST, Target};
use crate::report::Found;
use crate::store::Damage;

/// Blocks that a poll looks at at most, those in the cache included.
const FUEL: u32 = 64;

/// A search that is under way.
#[derive(Debug)]
pub struct Find {
    target: Target,
    /// Entries from here on are not looked at: they came after the search began.
    limit: u64,
    version: Option<u64>,
    /// Runs that are still to be searched, this one first: it is the newest.
    left: usize,
    cursor: Option<Cursor>,
}

/// What became of polling a search or a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled<T> {
    /// It is done, or has this much.
    Ready(T),
    /// It waits for a request to be answered.
    Waiting,
    /// It has done what it may do at once; it is to be polled again.
    More,
}

impl Find {
    /// Looks for the newest version of a name.
    pub fn newest(catalogue: &Catalogue, name: &[u8]) -> Self {
        Self::up_to(catalogue, name, NEWEST)
    }

    /// Looks for the newest version of a name whose sequence number is not above this one.
    pub fn up_to(catalogue: &Catalogue, name: &[u8], version: u64) -> Self {
        let limit = catalogue.head().next;
        let target = Target { name: name.to_vec(), version: version.min(limit.saturating_sub(1)) };
        Find { target, limit, version: None, left: 0, cursor: None }
    }

    /// Goes on. The runs are searched from the newest to the oldest, so the first entry that is found is the one.
    pub fn poll(&mut self, catalogue: &mut Catalogue) -> Result<Polled<Option<Entry>>, Damage> {
        if let Some(damage) = catalogue.damage() {
            return Err(damage);
        }
        if catalogue.found() == Found::Opening {
            return Ok(Polled::Waiting);
        }
        if self.limit == 0 || self.target.name.is_empty() {
            return Ok(Polled::Ready(None));
        }
        if self.version != Some(catalogue.store.version) {
            self.version = Some(catalogue.store.version);
            (self.left, self.cursor) = (catalogue.store.runs.len(), None);
            for table in [&catalogue.active, &catalogue.frozen] {
                let found = table.at(table.first_from(&self.target)).filter(|(name, _)| *name == self.target.name);
                if let Some((_, entry)) = found {
                    return Ok(Polled::Ready(Some(entry)));
                }
            }
        }
        let mut fuel = FUEL;
        while self.left > 0 {
            let store = &mut catalogue.store;
            let serial = store.runs[self.left - 1].serial;
            let cursor = self.cursor.get_or_insert_with(|| Cursor::new(store, serial));
            match cursor.settle(store, &self.target, false, true, &mut fuel) {
                Settled::Yes => {}
                Settled::Waiting => return Ok(Polled::Waiting),
                Settled::More => return Ok(Polled::More),
                Settled::Damaged => return catalogue.damage().map_or(Ok(Polled::More), Err),
            }
            if cursor.at_entry() && cursor.position.name == self.target.name {
                return Ok(Polled::Ready(Some(cursor.position.entry)));
            }
            (self.left, self.cursor) = (self.left - 1, None);
        }
        Ok(Polled::Ready(None))
    }
}
