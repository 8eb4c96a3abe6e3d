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
        use sel4::sys::seL4_DebugException_Msg as debug_exception;

        /// What the trap a panic ends in counts as in the debug configuration: the message's label, and which of its
        /// registers have the instruction and the status.
        const TRAP: [u64; 3] = [
            tag::seL4_Fault_DebugException,
            debug_exception::seL4_DebugException_FaultIP,
            debug_exception::seL4_DebugException_ExceptionReason,
        ];
    } else {
        /// What the trap a panic ends in counts as in the release configuration.
        const TRAP: [u64; 3] = EXCEPTION;
    }
}

/// The message of an exception: its label, and which of its registers have the instruction and the status.
const EXCEPTION: [u64; 3] = [
    tag::seL4_Fault_UserException,
    user_exception::seL4_UserException_FaultIP,
    user_exception::seL4_UserException_Number,
];

/// Decodes the fault message in the message registers. Any message has a meaning.
pub fn decode(message: &MessageInfo) -> Fault {
    with_msg_regs(|registers| {
        let register = |number: u64| registers[number as usize];
        match message.label() {
            tag::seL4_Fault_VMFault => Fault {
                kind: FaultKind::Memory,
                address: register(vm_fault::seL4_VMFault_Addr),
                instruction: register(vm_fault::seL4_VMFault_IP),
                status: register(vm_fault::seL4_VMFault_FSR),
            },
            tag::seL4_Fault_UnknownSyscall => Fault {
                kind: FaultKind::Syscall,
                address: 0,
                instruction: register(unknown_syscall::seL4_UnknownSyscall_FaultIP),
                status: register(unknown_syscall::seL4_UnknownSyscall_Syscall),
            },
            label => match [EXCEPTION, TRAP].into_iter().find(|exception| exception[0] == label) {
                Some([_, instruction, status]) => Fault {
                    kind: FaultKind::Exception,
                    address: 0,
                    instruction: register(instruction),
                    status: register(status),
                },
                None => Fault { kind: FaultKind::Other, address: 0, instruction: 0, status: 0 },
            },
        }
    })
}
