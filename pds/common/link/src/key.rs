//! A domain's keys, in the region its manifest names: the seed of its own, and the public keys of others behind that.

use ledger_fmt::checkpoint;
use ledger_fmt::layout::Superblock;
use ledger_fmt::note::{Name, Seed, Signer, Verifier};
use totebox_domain::SetupError;
use totebox_manifest::Region;
use totebox_shm::{Mapped, Shared};

/// The domain's own key in this region, with which it signs for the ledger of this volume.
pub fn signer(keys: Region, mapped: Mapped, superblock: &Superblock) -> Result<Signer, SetupError> {
    let seed: Seed = entry(keys, mapped, 0)?;
    Signer::new(&origin(superblock)?, &seed).map_err(|_| SetupError::Key)
}

/// The public key, number `index` of those behind its own, of whoever signs for the ledger of this volume.
pub fn verifier(
    keys: Region,
    mapped: Mapped,
    index: usize,
    superblock: &Superblock,
) -> Result<Verifier, SetupError> {
    let key = entry(keys, mapped, 1 + index)?;
    Verifier::of(&origin(superblock)?, &key).map_err(|_| SetupError::Key)
}

fn entry(keys: Region, mapped: Mapped, number: usize) -> Result<[u8; 32], SetupError> {
    let region = Shared::new(mapped, keys).filter(|region| region.size() >= 32 * (number + 1));
    let mut entry = [0; 32];
    region.ok_or(SetupError::Key)?.read(32 * number, &mut entry);
    // Zeros are a region nobody has filled.
    if entry == [0; 32] { Err(SetupError::Key) } else { Ok(entry) }
}

fn origin(superblock: &Superblock) -> Result<Name, SetupError> {
    checkpoint::origin(&superblock.deployment, &superblock.name).ok_or(SetupError::Key)
}

#[cfg(test)]
mod tests {
    use ledger_fmt::layout::NAME_LEN_MAX;
    use totebox_manifest::conversation::PAGE;
    use totebox_shm::testing::{mapped, region};

    use super::*;

    fn superblock(name: &str) -> Superblock {
        let mut padded = [0; NAME_LEN_MAX];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        Superblock::new([7; 16], [1; 16], padded, 256)
    }

    fn keys(entries: &[[u8; 32]]) -> Region {
        let keys = region(PAGE);
        Shared::new(mapped(), keys).unwrap().write(0, entries.as_flattened());
        keys
    }

    #[test]
    fn keys_are_found_in_their_region_or_the_domain_is_not_built() {
        let seed = [9; 32];
        let other = Signer::new("other", &[8; 32]).unwrap();
        let (sound, superblock) = (keys(&[seed, *other.verifier().key()]), superblock("contracts"));
        let own = signer(sound, mapped(), &superblock).unwrap();
        assert_eq!(
            (own.seed(), own.verifier().name()),
            (&seed, "totebox/07070707070707070707070707070707/contracts")
        );
        let found = verifier(sound, mapped(), 0, &superblock).unwrap();
        assert_eq!(found.key(), other.verifier().key());

        let no_key = |keys| signer(keys, mapped(), &superblock).err();
        assert_eq!(no_key(Region::default()), Some(SetupError::Key), "no region");
        assert_eq!(no_key(keys(&[[0; 32]])), Some(SetupError::Key), "a region nobody filled");
        for index in [1, PAGE / 32 - 1, usize::MAX / 64] {
            assert_eq!(verifier(sound, mapped(), index, &superblock).err(), Some(SetupError::Key), "{index}");
        }
        let nameless = self::superblock("not a volume's name");
        assert!(signer(sound, mapped(), &nameless).is_err() && verifier(sound, mapped(), 0, &nameless).is_err());
    }
}
