//! How a value crosses between domains: as a row of bytes in shared memory, where anything may stand, so that it is
//! checked when it is read back. What a struct is and how it crosses is said once, by [`row`]; what messages there are,
//! by [`messages`].

use core::num::NonZeroU64;

use ledger_fmt::Hash;
use ledger_fmt::layout::Area;
use ledger_fmt::record::Kind;
use totebox_domain::FaultKind;
use zerocopy::little_endian::{U16, U32, U64};

use crate::lifecycle::Standing;

/// No record or time, in a field that may name one.
pub const NONE: u64 = u64::MAX;

// The number of every kind of record fits the byte in which it crosses.
const _: () = {
    let mut at = 0;
    while at < Kind::ALL.len() {
        assert!(Kind::ALL[at] as u16 <= u8::MAX as u16);
        at += 1;
    }
};

pub trait Crosses: Sized {
    type Row;
    fn row(&self) -> Self::Row;
    /// The value in the row; `None` if it holds none.
    fn of(row: &Self::Row) -> Option<Self>;
}

macro_rules! crosses {
    ($($value:ty as $row:ty: $write:expr, $read:expr;)*) => {$(
        impl Crosses for $value {
            type Row = $row;
            fn row(&self) -> $row {
                $write(*self)
            }
            fn of(row: &$row) -> Option<Self> {
                $read(*row)
            }
        }
    )*};
}

crosses! {
    u8 as u8: |n| n, Some;
    u16 as U16: U16::new, |n: U16| Some(n.get());
    usize as U32: |n: usize| (n as u32).into(), |n: U32| usize::try_from(n.get()).ok();
    u32 as U32: U32::new, |n: U32| Some(n.get());
    u64 as U64: U64::new, |n: U64| Some(n.get());
    Hash as Hash: |hash| hash, Some;
    [u16; 2] as [U16; 2]: |pair: [u16; 2]| pair.map(U16::new), |pair: [U16; 2]| Some(pair.map(U16::get));
    // Whatever is not 1 is not true.
    bool as u8: u8::from, |n| Some(n == 1);
    // 0 if it is not known, and so is whatever is neither yes nor no.
    Option<bool> as u8: |answer: Option<bool>| answer.map_or(0, |yes| if yes { 1 } else { 2 }),
        |n: u8| Some([1, 2].contains(&n).then_some(n == 1));
    // All ones if there is none.
    Option<u64> as U64: |n: Option<u64>| n.unwrap_or(NONE).into(),
        |n: U64| Some(Some(n.get()).filter(|&n| n != NONE));
    // 0 if it is not known.
    Option<NonZeroU64> as U64: |n: Option<NonZeroU64>| n.map_or(0, NonZeroU64::get).into(),
        |n: U64| Some(NonZeroU64::new(n.get()));
    // A declared hash, behind 1; what stands behind anything else is none.
    Option<Hash> as (U16, Hash): |hash: Option<Hash>| (u16::from(hash.is_some()).into(), hash.unwrap_or_default()),
        |(declared, hash): (U16, Hash)| Some((declared.get() & 1 != 0).then_some(hash));
    // A tag; 0 if there is none.
    Option<u32> as U32: |tag: Option<u32>| tag.unwrap_or(0).into(),
        |tag: U32| Some(Some(tag.get()).filter(|&tag| tag != 0));
    Area as u8: |area| area as u8, Area::from_u8;
    Kind as u8: |kind| kind as u8, |n: u8| Kind::from_u16(n.into());
    FaultKind as u8: |kind| kind as u8, FaultKind::from_wire;
    Standing as u8: |standing: Standing| standing.state() as u8, Standing::from_wire;
}

/// A struct, and how it crosses: a field as a field of the same name, or, after `spread`, as several fields with the
/// names given there. After `if` stands what must hold of the value beside that.
macro_rules! row {
    ($(#[$meta:meta])* $name:ident as $row:ident $(if $sound:path)? {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    } $(spread {
        $($(#[$group_meta:meta])* $group:ident: $group_type:ty => ($($part:ident: $part_type:ty),+),)*
    })?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            $($($(#[$group_meta])* pub $group: $group_type,)*)?
        }

        #[doc = concat!("A [`", stringify!($name), "`] as it crosses.")]
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable,
            zerocopy::KnownLayout, zerocopy::Unaligned,
        )]
        #[repr(C)]
        pub struct $row {
            $(pub $field: <$type as $crate::row::Crosses>::Row,)*
            $($($(pub $part: $part_type,)+)*)?
        }

        impl $crate::row::Crosses for $name {
            type Row = $row;

            fn row(&self) -> $row {
                $($(let ($($part),+) = self.$group.row();)*)?
                $row { $($field: self.$field.row(),)* $($($($part,)+)*)? }
            }

            fn of(row: &$row) -> Option<$name> {
                use $crate::row::Crosses;
                let value = $name {
                    $($field: Crosses::of(&row.$field)?,)*
                    $($($group: Crosses::of(&($(row.$part),+))?,)*)?
                };
                $(if !$sound(&value) {
                    return None;
                })?
                Some(value)
            }
        }

        impl $name {
            pub fn encode(&self) -> $row {
                $crate::row::Crosses::row(self)
            }
        }

        impl $row {
            /// What crossed; `None` if it is none.
            pub fn decode(&self) -> Option<$name> {
                $crate::row::Crosses::of(self)
            }
        }
    };
}
pub(crate) use row;

/// Messages, each with its number, and with the fields of the header in which its own fields cross.
macro_rules! messages {
    ($(#[$meta:meta])* $name:ident by $number:ident: $repr:ident in $row:ident.$slot:ident {$(
        $(#[$variant_meta:meta])* $variant:ident
            $(($($field:ident: $type:ty => $($at:ident)+),+))?
            $({ $($(#[$named_meta:meta])* $named:ident: $named_type:ty => $($named_at:ident)+,)+ })?
            = $value:literal,
    )*}) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {$(
            $(#[$variant_meta])*
            $variant $(($($type),+))? $({ $($(#[$named_meta])* $named: $named_type,)+ })?,
        )*}

        $crate::wire_enum! {
            #[doc = concat!("The number of each [`", stringify!($name), "`].")]
            $number: $repr { $($variant = $value,)* }
        }

        impl $name {
            pub const fn number(&self) -> $number {
                match self { $(Self::$variant { .. } => $number::$variant,)* }
            }

            fn fill(&self, row: &mut $row) {
                row.$slot = self.number().row();
                match self {$(
                    Self::$variant $(($($field),+))? $({ $($named),+ })? => {
                        $($(($(row.$at),+) = $field.row();)+)?
                        $($(($(row.$named_at),+) = $named.row();)+)?
                    }
                )*}
            }

            fn read(row: &$row) -> Option<Self> {
                Some(match $number::of(&row.$slot)? {$(
                    $number::$variant => Self::$variant
                        $(($(<$type>::of(&($(row.$at),+))?),+))?
                        $({ $($named: <$named_type>::of(&($(row.$named_at),+))?),+ })?,
                )*})
            }
        }
    };
}
pub(crate) use messages;
