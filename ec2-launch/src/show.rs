//! Options that show profiles and launch nothing.

use crate::profile::{Library, Override, folders, schema};
use crate::profile_file::read;
use cerveza_manners::{Failure, Result, Status, visible};
use std::io::{self, Write};

#[derive(clap::Args, Clone, Debug)]
pub struct ProfileArgs {
    /// Set a key of the profile for this run; may be given several times. The value is YAML, and a dot leads to a key
    /// within another: --set 'metadata options.http tokens=optional'
    #[arg(long, value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub set: Vec<Override>,

    /// Print a profile as YAML, with all that it extends and what --set says, and launch nothing
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = ["hosts", "profile"])]
    pub show_profile: Option<String>,

    /// Print the name, the place and the description of each profile in the folders of profiles, and launch nothing
    #[arg(long, conflicts_with_all = ["hosts", "profile", "set", "show_profile"])]
    pub list_profiles: bool,

    /// Print the JSON Schema of profiles, for editors, and launch nothing
    #[arg(long, conflicts_with_all = ["hosts", "profile", "set", "show_profile", "list_profiles"])]
    pub profile_schema: bool,
}

/// Shows what is asked for, if anything is.
pub fn show(args: &ProfileArgs) -> Result<Option<Status>> {
    let text = if let Some(name) = &args.show_profile {
        let file = read(name, &args.set)?;
        format!("--- !InstanceProfile\n# {}\n{}", visible(&file.at("")), file.to_yaml())
    } else if args.list_profiles {
        list()
    } else if args.profile_schema {
        format!("{:#}\n", schema())
    } else {
        return Ok(None);
    };
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| Failure::stdout(&error))?;
    Ok(Some(Status::Done))
}

/// A line for each profile, in columns.
fn list() -> String {
    let profiles = Library::new(folders()).list();
    let width = |text: &str| text.chars().count();
    let names = profiles.iter().map(|profile| width(&profile.name)).max().unwrap_or_default();
    let places = profiles.iter().map(|profile| width(&profile.place)).max().unwrap_or_default();
    let mut text = String::new();
    for profile in profiles {
        let description = profile.description.unwrap_or_default();
        let line = format!("{:names$}  {:places$}  {description}", profile.name, profile.place);
        text.push_str(&visible(line.trim_end()));
        text.push('\n');
    }
    text
}
