//! The disks of a host: sets of volumes, which the boot script assembles.

pub mod boot_script;
