//! The registers of the Arm PrimeCell UART PL011 (DDI 0183G, chapter 3), as far as they are used.

use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_structs! {
    pub Registers {
        /// Data, and what was wrong with it.
        (0x000 => pub dr: ReadWrite<u32, DR::Register>),
        (0x004 => _reserved0),
        /// Flags.
        (0x018 => pub fr: ReadOnly<u32, FR::Register>),
        (0x01c => _reserved1),
        /// Line control.
        (0x02c => pub lcr_h: ReadWrite<u32, LCR_H::Register>),
        /// Control.
        (0x030 => pub cr: ReadWrite<u32, CR::Register>),
        (0x034 => _reserved2),
        /// Interrupt mask: set bits are delivered.
        (0x038 => pub imsc: ReadWrite<u32, IMSC::Register>),
        (0x03c => _reserved3),
        /// Interrupt clear.
        (0x044 => pub icr: WriteOnly<u32, ICR::Register>),
        (0x048 => @END),
    }
}

register_bitfields! {
    u32,

    pub DR [
        /// The line broke: held low for longer than a character.
        BE OFFSET(10) NUMBITS(1) [],
        DATA OFFSET(0) NUMBITS(8) [],
    ],

    pub FR [
        /// The transmit FIFO is full.
        TXFF OFFSET(5) NUMBITS(1) [],
        /// The receive FIFO is empty.
        RXFE OFFSET(4) NUMBITS(1) [],
    ],

    pub LCR_H [
        /// Bits a character.
        WLEN OFFSET(5) NUMBITS(2) [EightBits = 0b11],
        /// FIFOs on.
        FEN OFFSET(4) NUMBITS(1) [],
    ],

    pub CR [
        RXE OFFSET(9) NUMBITS(1) [],
        TXE OFFSET(8) NUMBITS(1) [],
        UARTEN OFFSET(0) NUMBITS(1) [],
    ],

    pub IMSC [
        /// Received bytes have waited for 32 bit times.
        RTIM OFFSET(6) NUMBITS(1) [],
        /// The transmit FIFO has drained to its mark.
        TXIM OFFSET(5) NUMBITS(1) [],
        /// The receive FIFO has filled to its mark.
        RXIM OFFSET(4) NUMBITS(1) [],
    ],

    pub ICR [
        ALL OFFSET(0) NUMBITS(11) [],
    ],
}
