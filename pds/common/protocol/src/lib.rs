//! What crosses between domains: message headers of [`MESSAGE_HEADER`] bytes and published pages. All
//! fields are little-endian; every one is checked by its receiver.
//!
//! | module | between |
//! |---|---|
//! | [`vault`] | archives, auditor, orchestrator ⇄ vault |
//! | [`intake`] | console ⇄ archive |
//! | [`audit`] | orchestrator ⇄ auditor |
//! | [`operator`] | console ⇄ orchestrator |
//! | [`flag`] | flags, between auditor, orchestrator and console |
//! | [`page`] | the published pages |
//! | [`trace`] | what a domain notes, for the orchestrator |
//!
//! How a struct crosses is said beside it, once: see `row`.
//!
//! [`MESSAGE_HEADER`]: totebox_manifest::conversation::MESSAGE_HEADER

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod audit;
pub mod flag;
pub mod intake;
pub mod lifecycle;
pub mod operator;
pub mod page;
mod row;
pub mod trace;
pub mod vault;

/// What a person is shown in the place of a value that has no name.
pub const UNKNOWN: &str = "unknown";

/// A closed set of numbers in a message: the enum, and `from_wire` for what a peer sent. Where each has a name, in
/// messages and in records, the way to it and back.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident : $repr:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr($repr)]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)* }

        impl $name {
            /// The value with this number; `None` if there is none.
            pub const fn from_wire(n: $repr) -> Option<Self> {
                match n { $($value => Some(Self::$variant),)* _ => None }
            }
        }

        impl $crate::row::Crosses for $name {
            type Row = <$repr as $crate::row::Crosses>::Row;
            fn row(&self) -> Self::Row {
                (*self as $repr).row()
            }
            fn of(row: &Self::Row) -> Option<Self> {
                Self::from_wire($crate::row::Crosses::of(row)?)
            }
        }
    };
    ($(#[$meta:meta])* $name:ident : $repr:ident {
        $($(#[$vmeta:meta])* $variant:ident = $value:literal, $text:literal;)*
    }) => {
        $crate::wire_enum! { $(#[$meta])* $name: $repr { $($(#[$vmeta])* $variant = $value,)* } }

        impl $name {
            /// The name in messages and in records.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                [$(Self::$variant),*].into_iter().find(|value| value.name() == name)
            }
        }
    };
}
pub(crate) use wire_enum;
