//! The public host keys that cloud-init prints on the console of an instance (`cc_keys_to_console`).

use crate::client::Ec2;
use crate::describe::console::Console;
use crate::describe::each_instance::{AskError, each_instance};
use cerveza_manners::Result;
use cerveza_record::Record;
use ssh_key::PublicKey;
use std::collections::HashMap;

/// The lines around the keys, in cloud-init's `write-ssh-key-fingerprints`.
const BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const END: &str = "-----END SSH HOST KEY KEYS-----";

/// What the looks at one console have shown.
#[derive(Debug, Default, PartialEq)]
pub struct HostKeySearch {
    /// Only instances on Nitro have an output that is newer than the posted one.
    lacks_latest: bool,
    found: Option<Vec<String>>,
    /// Keys that an earlier boot of the same instance has printed.
    earlier: Option<Vec<String>>,
    /// cloud-init has finished in this boot. It prints the keys before that.
    is_finished: bool,
}

impl Ec2 {
    /// Looks once at the console of the instance of this record.
    pub async fn look_for_host_keys(&self, host: &Record, search: &mut HostKeySearch) -> Result<()> {
        self.search_console(host, search).await.map_err(|error| error.failure)
    }

    /// Returns the keys that the consoles of these instances show now, by id; `None` if they show none. `done` is
    /// called for each instance.
    pub async fn host_keys(
        &self,
        instances: &[Record],
        done: impl Fn(),
    ) -> HashMap<String, Result<Option<Vec<String>>>> {
        let ask = |host| async move {
            let mut search = HostKeySearch::default();
            self.search_console(host, &mut search).await?;
            Ok(search.answer())
        };
        each_instance(instances, done, ask).await
    }

    async fn search_console(&self, host: &Record, search: &mut HostKeySearch) -> std::result::Result<(), AskError> {
        // The latest output comes at once but begins late; the posted one comes late and may begin earlier.
        let latest = if search.lacks_latest { None } else { self.latest_console(host).await? };
        search.lacks_latest = latest.is_none();
        search.read_console(latest.as_ref());
        if search.found.is_none() {
            search.read_console(self.posted_console(host).await?.as_ref());
        }
        Ok(())
    }
}

impl HostKeySearch {
    fn read_console(&mut self, console: Option<&Console>) {
        let Some(console) = console else { return };
        let keys = keys_in(&console.text);
        if console.is_of_this_boot {
            self.is_finished |= console.text.lines().any(is_finished);
            self.found = self.found.take().or(keys);
        } else {
            self.earlier = keys.or(self.earlier.take())
        }
    }

    /// Returns whether cloud-init has finished in this boot. It prints the keys before that.
    pub fn is_boot_finished(&self) -> bool {
        self.is_finished
    }

    /// Returns the keys of this boot, or those of an earlier boot once this one has printed no others.
    pub fn answer(&self) -> Option<Vec<String>> {
        self.found.clone().or_else(|| self.earlier.clone().filter(|_| self.is_finished))
    }
}

/// cloud-init's last words on the console, `cc_final_message`.
fn is_finished(line: &str) -> bool {
    line.split_once("Cloud-init v. ").is_some_and(|(_, rest)| rest.contains(" finished at "))
}

/// Returns the keys of the newest complete block in a console's text, as `TYPE BASE64`. Text of other programs in
/// between is passed over, and so is a key that it has damaged.
fn keys_in(text: &str) -> Option<Vec<String>> {
    let mut newest = None;
    let mut block: Option<Vec<String>> = None;
    for line in text.lines() {
        if line.contains(BEGIN) {
            block = Some(Vec::new());
        } else if line.contains(END) {
            newest = block.take().filter(|keys| !keys.is_empty()).or(newest);
        } else if let Some(block) = &mut block
            && let Some(key) = key_in(line)
            && !block.contains(&key)
        {
            block.push(key);
        }
    }
    newest
}

/// Returns the key of a line such as `[   12.3] cloud-init[512]: ssh-ed25519 AAAA... root@web1`.
fn key_in(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).find_map(|pair| {
        let key = format!("{} {}", pair[0], pair[1]);
        PublicKey::from_openssh(&key).is_ok().then_some(key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNPq5SLKgBXEcCWZwAequ9Qr9af\
                         /PSurVzwNX3XIF/CAutf/aMGsOtBIyH5mk44HdLmtNLoM+voHsiZZ2/I8uCU=";

    fn block(keys: &[&str]) -> String {
        format!("{BEGIN}\r\n{}\r\n{END}\r\n", keys.join(" root@web1\r\n"))
    }

    #[test]
    fn keys_are_read_with_carriage_returns_and_comments() {
        let text = format!("[    0.0] Linux version 6.1\r\n{}[  20.1] login:", block(&[ECDSA, A]));
        assert_eq!(keys_in(&text), Some(vec![ECDSA.to_string(), A.to_string()]));
        assert_eq!(keys_in("-----BEGIN SSH HOST KEY FINGERPRINTS-----\n"), None);
        assert_eq!(keys_in(""), None);
    }

    #[test]
    fn prefixes_and_other_programs_do_not_matter() {
        let text = format!(
            "[   12.3] cloud-init[512]: {BEGIN}\n[   12.3] cloud-init[512]: {A} root@web1\n[   12.4] audit: ssh-ed25519 is \
             fine\nci-info: {ECDSA}\n[   12.5] cloud-init[512]: {END}\n"
        );
        assert_eq!(keys_in(&text), Some(vec![A.to_string(), ECDSA.to_string()]));
    }

    #[test]
    fn the_newest_complete_block_counts() {
        assert_eq!(keys_in(&(block(&[A]) + &block(&[B]))), Some(vec![B.to_string()]));
        let cut_off = format!("{}{BEGIN}\n{B}\n", block(&[A]));
        assert_eq!(keys_in(&cut_off), Some(vec![A.to_string()]));
        // The first 64 KB were dropped in the middle of a block, and a block was cut off by the next boot.
        assert_eq!(keys_in(&format!("{A}\n{END}\n")), None);
        assert_eq!(keys_in(&format!("{BEGIN}\n{A}\nreboot\n{}", block(&[B]))), Some(vec![B.to_string()]));
        assert_eq!(keys_in(&block(&[])), None);
    }

    #[test]
    fn a_damaged_key_is_not_used() {
        let cut = &A[..A.len() - 8];
        let mixed = A.replace("ssh-ed25519", "ssh-rsa");
        assert_eq!(keys_in(&block(&[cut, &mixed, B])), Some(vec![B.to_string()]));
        assert_eq!(keys_in(&block(&[cut])), None);
    }

    fn console(text: &str, is_of_this_boot: bool) -> Console {
        Console { text: text.to_string(), is_of_this_boot }
    }

    const FINISHED: &str =
        "[   31.2] cloud-init[612]: Cloud-init v. 24.1.3 finished at Sun, 29 Nov 2026 05:00:00 +0000.";

    #[test]
    fn the_output_of_an_earlier_boot_waits_for_this_one() {
        let mut search = HostKeySearch::default();
        search.read_console(Some(&console(&format!("{}{FINISHED}", block(&[A])), false)));
        assert_eq!((search.answer(), search.is_finished), (None, false));
        let mut silent = HostKeySearch { earlier: search.earlier.clone(), ..HostKeySearch::default() };
        search.read_console(Some(&console(&block(&[B]), true)));
        assert_eq!(search.answer(), Some(vec![B.to_string()]));
        // cloud-init prints the keys at the first boot only, so they are still the host's.
        silent.read_console(Some(&console(FINISHED, true)));
        assert_eq!(silent.answer(), Some(vec![A.to_string()]));
    }

    #[test]
    fn an_end_of_cloud_init_without_keys_is_known() {
        let mut search = HostKeySearch::default();
        search.read_console(Some(&console("Cloud-init v. 24.1.3 running 'init' at Sun, 29 Nov 2026", true)));
        assert!(!search.is_finished);
        search.read_console(Some(&console(FINISHED, true)));
        assert_eq!((search.answer(), search.is_finished), (None, true));
    }
}
