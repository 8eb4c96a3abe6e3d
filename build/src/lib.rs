//! The library behind the host tool `totebox`: deployments, system descriptions, disks, and the
//! operator's console from outside.

#![forbid(unsafe_code)]
