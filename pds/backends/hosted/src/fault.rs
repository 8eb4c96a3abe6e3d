//! Faults: how a process reports the one that kills it, and what its end means to its parent.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicI32, Ordering};

use totebox_domain::{Fault, FaultKind};

use crate::control::Report;

/// Of which nothing is known.
pub const NONE: Fault = Fault { kind: FaultKind::Other, address: 0, instruction: 0, status: 0 };

/// The socket to the supervisor, for the signal handler.
static SUPERVISOR: AtomicI32 = AtomicI32::new(-1);

/// Makes this process report where the fault is that kills it. The socket stays open for good.
pub fn report_to(supervisor: BorrowedFd<'static>) {
    SUPERVISOR.store(supervisor.as_raw_fd(), Ordering::Relaxed);
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
        // SAFETY: all zeros is a valid sigaction with an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as *const () as usize;
        // On the alternative stack, which Rust's runtime has set up, an overflow of the stack is reported too.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        // SAFETY: `action` is initialised, and the handler calls async-signal-safe functions only.
        let result = unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
        assert_eq!(result, 0, "these signals can be handled");
    }
}

extern "C" fn handler(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes valid pointers to a handler with SA_SIGINFO.
    let (info, context) = unsafe { (&*info, &*context.cast()) };
    // SAFETY: the signals that are handled here are of faults, which have an address.
    let address = unsafe { info.si_addr() } as u64;
    // The codes of the kernel's own signals are positive.
    let status = u64::from(info.si_code.unsigned_abs());
    let words = Report::Faulted { address, instruction: instruction(context), status }.encode();
    let socket = SUPERVISOR.load(Ordering::Relaxed);
    // SAFETY: `send` reads the bytes of `words`, and like `raise` may be called in a handler. The handler is
    // reset by now, so the signal raised again ends the process as the fault would have.
    unsafe {
        libc::send(socket, words.as_ptr().cast(), size_of_val(&words), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT);
        libc::raise(signal);
    }
}

/// The program counter at the fault; 0 on machines this does not know.
fn instruction(context: &libc::ucontext_t) -> u64 {
    #[cfg(target_arch = "x86_64")]
    let instruction = context.uc_mcontext.gregs[libc::REG_RIP as usize] as u64;
    #[cfg(target_arch = "aarch64")]
    let instruction = context.uc_mcontext.pc;
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let instruction = 0;
    instruction
}

/// What the end of a process means: no PD ever ends by itself.
pub fn kind(status: ExitStatus) -> FaultKind {
    match status.signal() {
        Some(libc::SIGSEGV | libc::SIGBUS) => FaultKind::Memory,
        Some(libc::SIGILL | libc::SIGFPE | libc::SIGTRAP | libc::SIGABRT) => FaultKind::Exception,
        Some(libc::SIGSYS) => FaultKind::Syscall,
        _ => FaultKind::Other,
    }
}
