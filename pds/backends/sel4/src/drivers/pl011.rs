//! The Arm PL011 UART behind [`Uart`], driven by its interrupts.
//!
//! Receiving raises an interrupt when the FIFO is half full and, for what is left, when the line was quiet
//! for a moment. Transmitting raises one only while somebody waits for room.

mod registers;

use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use totebox_domain::SetupError;
use totebox_domain::device::Uart;
use totebox_manifest::{DeviceKind, Manifest};
use totebox_shm::Mapped;

use crate::pd::registers;
use registers::{CR, DR, FR, ICR, IMSC, LCR_H, Registers};

/// The UART of the operator's line.
pub struct Pl011 {
    registers: &'static Registers,
    hung_up: bool,
}

impl Pl011 {
    /// Switches the manifest's UART to FIFOs and interrupts; its rate stays what the firmware set.
    pub fn new(manifest: &Manifest, mapped: Mapped) -> Result<Pl011, SetupError> {
        // SAFETY: they are a PL011's registers.
        let registers = unsafe { registers::<Registers>(manifest, mapped, DeviceKind::Uart)? };
        registers.lcr_h.write(LCR_H::WLEN::EightBits + LCR_H::FEN::SET);
        registers.cr.write(CR::UARTEN::SET + CR::TXE::SET + CR::RXE::SET);
        registers.imsc.write(IMSC::RXIM::SET + IMSC::RTIM::SET);
        Ok(Pl011 { registers, hung_up: false })
    }
}

impl Uart for Pl011 {
    fn receive(&mut self, out: &mut [u8]) -> usize {
        let mut received = 0;
        while received < out.len() && !self.registers.fr.is_set(FR::RXFE) {
            let data = self.registers.dr.extract();
            if data.is_set(DR::BE) {
                self.hung_up = true;
                continue;
            }
            out[received] = data.read(DR::DATA) as u8;
            received += 1;
        }
        received
    }

    fn transmit(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() && !self.registers.fr.is_set(FR::TXFF) {
            self.registers.dr.write(DR::DATA.val(bytes[sent].into()));
            sent += 1;
        }
        // With the FIFO left full, an interrupt follows when it has drained to half.
        let waiting = if sent < bytes.len() { IMSC::TXIM::SET } else { IMSC::TXIM::CLEAR };
        self.registers.imsc.modify(waiting);
        sent
    }

    fn acknowledge(&mut self) {
        self.registers.icr.write(ICR::ALL::SET);
    }

    fn hung_up(&mut self) -> bool {
        core::mem::take(&mut self.hung_up)
    }
}
