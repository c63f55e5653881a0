//! Recognizes user-data for other programs than cloud-init: Windows (EC2Launch), Bottlerocket, Ignition.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Scripts in tags such as `<powershell>`, for all versions of EC2Launch and EC2Config.
    WindowsTags,
    /// The YAML of EC2Launch v2.
    WindowsTasks,
    Bottlerocket,
    Ignition,
}

impl Foreign {
    pub fn of(content: &[u8]) -> Option<Foreign> {
        let text = std::str::from_utf8(content).ok()?.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with('<') {
            let lower = text.to_ascii_lowercase();
            return ["<powershell>", "<script>"].iter().any(|tag| lower.contains(tag)).then_some(Foreign::WindowsTags);
        }
        if text.starts_with('{') {
            let object: serde_json::Value = serde_json::from_str(text).ok()?;
            return object.get("ignition").is_some_and(|value| value.is_object()).then_some(Foreign::Ignition);
        }
        let setting = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
        if setting.starts_with("[settings") || setting.starts_with("settings.") {
            return Some(Foreign::Bottlerocket);
        }
        let has_key = |key: &str| text.lines().any(|line| line.starts_with(key));
        (has_key("version:") && has_key("tasks:")).then_some(Foreign::WindowsTasks)
    }

    /// Returns the program that reads it.
    pub fn reader(self) -> &'static str {
        match self {
            Foreign::WindowsTags | Foreign::WindowsTasks => "EC2Launch",
            Foreign::Bottlerocket => "Bottlerocket",
            Foreign::Ignition => "Ignition",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::WindowsTags => "a script for EC2Launch on Windows",
            Foreign::WindowsTasks => "YAML for EC2Launch v2 on Windows",
            Foreign::Bottlerocket => "settings of Bottlerocket",
            Foreign::Ignition => "a config of Ignition",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_for_other_programs_is_recognized() {
        let of = |text: &str| Foreign::of(text.as_bytes());
        for text in [
            "<powershell>\nx\n</powershell>\n",
            "\n<script>\r\nx\r\n</script>",
            "<persist>true</persist>\n<PowerShell>",
        ] {
            assert_eq!(of(text), Some(Foreign::WindowsTags), "{text}");
        }
        for text in ["version: 1.0\ntasks:\n- task: executeScript\n", "---\n# x\nversion: 1.1\ntasks: []\n"] {
            assert_eq!(of(text), Some(Foreign::WindowsTasks), "{text}");
        }
        for text in ["[settings.kubernetes]\ncluster-name = \"x\"\n", "# x\n\nsettings.motd = \"hi\"\n", "[settings]\n"]
        {
            assert_eq!(of(text), Some(Foreign::Bottlerocket), "{text}");
        }
        assert_eq!(of("{\"ignition\": {\"version\": \"3.4.0\"}}\n"), Some(Foreign::Ignition));
        for text in ["", "hello", "<html>", "{}", "{\"ignition\": 1}", "version: 1.0\n", "tasks: []\n", "[x]\n"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
