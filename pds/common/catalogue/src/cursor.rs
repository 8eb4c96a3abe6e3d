//! A place in one run, found from its root and moved from leaf to leaf.

use crate::entry::Target;
use crate::index;
use crate::leaf::Position;
use crate::store::Store;

/// How a cursor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It goes down the tree, and is at this block, so many levels above the leaves.
    Down { index: u32, level: u8 },
    /// It is to look at the entries of this block, if it is a leaf.
    Leaf { index: u32 },
    /// It stands at an entry of this leaf.
    At { index: u32 },
    /// There are no more entries.
    End,
}

/// What became of moving a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It stands at the first entry that is not before the target, or at the end.
    Yes,
    /// A block is on its way.
    Waiting,
    /// The work that was allowed is done.
    More,
    /// A block is damaged; the store has noted it.
    Damaged,
}

/// A cursor.
#[derive(Debug)]
pub struct Cursor {
    serial: u32,
    state: State,
    /// The entry it stands at.
    pub position: Position,
}

impl Cursor {
    /// A cursor that is to look for its place.
    pub fn new(store: &Store, serial: u32) -> Self {
        let mut cursor = Cursor { serial, state: State::End, position: Position::default() };
        cursor.restart(store);
        cursor
    }

    fn restart(&mut self, store: &Store) {
        if let Some(live) = store.get(self.serial) {
            self.state = State::Down { index: live.run.blocks - 1, level: live.run.index_levels };
        }
    }

    /// True if it stands at an entry, once it is settled.
    pub fn at_entry(&self) -> bool {
        matches!(self.state, State::At { .. })
    }

    /// Moves to the first entry that is not before the target, never back. `far`: the target is likely to be
    /// in another leaf than the next. `one_leaf`: whatever is not in the leaf the target belongs to is not wanted.
    /// Takes one from `fuel` for each block it looks at.
    pub fn settle(
        &mut self,
        store: &mut Store,
        target: &Target,
        far: bool,
        one_leaf: bool,
        fuel: &mut u32,
    ) -> Settled {
        loop {
            let index = match self.state {
                State::End => return Settled::Yes,
                State::At { .. } if target.reached(&self.position.name, self.position.entry.sequence) => {
                    return Settled::Yes;
                }
                State::Down { index, .. } | State::Leaf { index } | State::At { index } => index,
            };
            let Some(left) = fuel.checked_sub(1) else { return Settled::More };
            *fuel = left;
            let Some(live) = store.get(self.serial) else { return Settled::Damaged };
            let (range, blocks) = (live.run.range, live.run.blocks);
            let is_leaf = !matches!(self.state, State::Down { level: 1.., .. });
            let Some(block) = store.block(self.serial, index, is_leaf) else {
                return if store.damage.is_some() { Settled::Damaged } else { Settled::Waiting };
            };
            let level = crate::block::header(block).level;
            let moved = match self.state {
                State::Down { level: due, .. } if level != due => None,
                State::Down { level: 1.., .. } => match index::find(block, range, target) {
                    Ok(child) if child < index => Some(State::Down { index: child, level: level - 1 }),
                    _ => None,
                },
                // Between the leaves stand index blocks.
                State::Leaf { .. } if level > 0 => Some(State::Leaf { index: index + 1 }),
                _ => {
                    if !matches!(self.state, State::At { .. }) {
                        self.position.start(block);
                    }
                    let found = loop {
                        match self.position.next(block, range) {
                            Ok(true) if target.reached(&self.position.name, self.position.entry.sequence) => {
                                break Some(true);
                            }
                            Ok(true) => {}
                            Ok(false) => break Some(false),
                            Err(_) => break None,
                        }
                    };
                    match found {
                        Some(true) => Some(State::At { index }),
                        Some(false) if one_leaf => Some(State::End),
                        Some(false) if far && matches!(self.state, State::At { .. }) => {
                            self.restart(store);
                            Some(self.state)
                        }
                        Some(false) => Some(State::Leaf { index: index + 1 }),
                        None => None,
                    }
                }
            };
            self.state = match moved {
                // The last block is the root.
                Some(State::Leaf { index }) if index >= blocks - 1 => State::End,
                Some(state) => state,
                None => {
                    store.damaged(self.serial, index, false);
                    return Settled::Damaged;
                }
            };
        }
    }
}
