//! The options of ssh that decide about a host's key.

use super::Engine;
use crate::base::policy::HostKeyPolicy;
use crate::host::target::Target;
use crate::known_hosts::{HostId, lookup_name};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

/// The same decision about the host's key as the other engine's: the record's own keys decide; else a host is known by
/// its name, where ssh would ask for its address only. Gives the file that was made for it.
pub fn host_key_options(engine: &Engine, target: &Target, command: &mut Command) -> io::Result<Option<PathBuf>> {
    let mut option = |option: OsString| {
        command.arg("-o").arg(option);
    };
    let named = lookup_name(&target.name, target.port);
    if let Some(keys) = &target.host_keys {
        let path = engine.folder.name("known");
        fs::write(&path, keys.known_hosts(&named))?;
        for (key, value) in [("UserKnownHostsFile=", path.as_os_str()), ("GlobalKnownHostsFile=", "/dev/null".as_ref())]
        {
            let mut line = OsString::from(key);
            line.push(value);
            option(line);
        }
        option(format!("HostKeyAlias={named}").into());
        option("StrictHostKeyChecking=yes".into());
        return Ok(Some(path));
    }
    if target.host_key == HostKeyPolicy::Strict {
        // `ask` would fail without a word: there is nobody to ask.
        option("StrictHostKeyChecking=yes".into());
    }
    if target.options.host_key_alias.is_some() || target.address == target.name {
        return Ok(None);
    }
    let find = |name| target.known_hosts.find(&HostId { names: vec![name], port: target.port });
    let (by_name, by_address) = (find(target.name.as_str()), find(target.address.as_str()));
    // A certificate names hosts, not ports.
    if by_name.has_authorities() && !by_address.has_authorities() {
        option(format!("HostKeyAlias={}", target.name).into());
    } else if !by_name.key_types().is_empty()
        || target.host_key == HostKeyPolicy::AcceptNew && by_address.key_types().is_empty()
    {
        option(format!("HostKeyAlias={named}").into());
    }
    Ok(None)
}
