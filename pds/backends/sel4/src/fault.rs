//! The kernel's fault messages (seL4 Reference Manual, chapter "Faults") as a [`Fault`].
//!
//! Decoded by hand, because `sel4::Fault::new` panics on a message the kernel would not send, and the
//! capability through which a child's faults arrive lies in the child's reach.

use sel4::sys::{
    seL4_Fault_tag as tag, seL4_UnknownSyscall_Msg as unknown_syscall, seL4_UserException_Msg as user_exception,
    seL4_VMFault_Msg as vm_fault,
};
use sel4_microkit::{MessageInfo, with_msg_regs};
use totebox_domain::{Fault, FaultKind};

sel4::sel4_cfg_if! {
    if #[sel4_cfg(HARDWARE_DEBUG_API)] {
        /// What the trap a panic ends in counts as in the debug configuration.
        const PANIC: u64 = tag::seL4_Fault_DebugException;
    } else {
        /// What the trap a panic ends in counts as in the release configuration.
        const PANIC: u64 = tag::seL4_Fault_UserException;
    }
}

/// Decodes the fault message in the message registers. Any message has a meaning.
pub fn decode(message: &MessageInfo) -> Fault {
    with_msg_regs(|registers| {
        let register = |number: u64| registers[number as usize];
        let (kind, address, instruction) = match message.label() {
            tag::seL4_Fault_VMFault => {
                (FaultKind::Memory, register(vm_fault::seL4_VMFault_Addr), register(vm_fault::seL4_VMFault_IP))
            }
            tag::seL4_Fault_UnknownSyscall => {
                (FaultKind::Syscall, 0, register(unknown_syscall::seL4_UnknownSyscall_FaultIP))
            }
            // The debug exception's message begins like the user exception's.
            label if label == tag::seL4_Fault_UserException || label == PANIC => {
                (FaultKind::Exception, 0, register(user_exception::seL4_UserException_FaultIP))
            }
            _ => (FaultKind::Other, 0, 0),
        };
        Fault { kind, address, instruction }
    })
}
