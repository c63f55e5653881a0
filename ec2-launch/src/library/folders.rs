//! The folders that profiles are looked for in.

use std::env;
use std::path::PathBuf;

/// `$CERVEZA_PROFILES` (a list with `:`), `profiles` in the working directory, the working directory, the user's and
/// the machine's configuration.
pub fn folders() -> Vec<PathBuf> {
    let listed = env::var_os("CERVEZA_PROFILES");
    let config = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let mut folders: Vec<PathBuf> = Vec::new();
    let listed = listed.iter().flat_map(env::split_paths).filter(|folder| !folder.as_os_str().is_empty());
    let here = [PathBuf::from("profiles"), PathBuf::from(".")];
    let config = config.map(|config| config.join("cerveza/profiles"));
    let all = listed.chain(here).chain(config).chain([PathBuf::from("/etc/cerveza/profiles")]);
    for folder in all {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}
