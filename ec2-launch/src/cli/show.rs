//! Options that show profiles and launch nothing.

use crate::document::keys::INSTANCE_KEYS;
use crate::document::schema::schema;
use crate::library::folders::folders;
use crate::library::set_option::Override;
use crate::library::{Library, Listed};
use crate::profile::file::read;
use cerveza_manners::{
    ArgValueCompleter, Failure, Format, OutputArgs, PathCompleter, Result, Status, Tool, ValueCompleter, fitting,
    visible,
};
use cerveza_record::{json, printed_name};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;

#[derive(clap::Args, Clone, Debug)]
pub struct ProfileArgs {
    /// Print a profile as YAML, with everything it extends
    ///
    /// --set is applied to it.
    #[arg(long, value_name = "NAME|FILE", add = profiles(), group = "instead", conflicts_with_all = ["hosts", "profile"], help_heading = "Instead of launching")]
    pub show_profile: Option<String>,

    /// List the profiles in the folders of profiles
    ///
    /// Prints the name, file and description of each profile.
    #[arg(long, group = "instead", conflicts_with_all = ["hosts", "profile", "set"], help_heading = "Instead of launching")]
    pub list_profiles: bool,

    /// Print the JSON Schema of profiles, for editors
    #[arg(long, group = "instead", conflicts_with_all = ["hosts", "profile", "set"], help_heading = "Instead of launching")]
    pub profile_schema: bool,
}

/// Shows what is asked for, if anything is.
pub fn show(args: &ProfileArgs, overrides: &[Override], output: &OutputArgs, tool: &Tool) -> Result<Option<Status>> {
    let text = if let Some(name) = &args.show_profile {
        let file = read(name, overrides)?;
        format!("--- !InstanceProfile\n# {}\n{}", visible(&file.place_of("")), file.to_yaml())
    } else if args.list_profiles {
        list(output, tool)
    } else if args.profile_schema {
        format!("{:#}\n", schema())
    } else {
        return Ok(None);
    };
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| Failure::stdout(&error))?;
    Ok(Some(Status::Done))
}

/// Returns a line for each profile: in columns, or as --output asks. Warns of files that cannot be read.
fn list(output: &OutputArgs, tool: &Tool) -> String {
    let (profiles, failures) = Library::new(folders()).list();
    failures.iter().for_each(|failure| tool.warn(&failure.message));
    if output.format.names || output.format.output == Format::Names {
        return profiles
            .iter()
            .flat_map(|profile| &profile.name)
            .map(|name| format!("{}\n", printed_name(name)))
            .collect();
    }
    if output.format.output == Format::Json {
        return profiles.iter().map(|profile| format!("{}\n", json!(profile))).collect();
    }
    columns(profiles)
}

/// Completes a profile: a name in the folders of profiles, or a file.
pub fn profiles() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = Library::new(folders()).list().0.into_iter().filter_map(|profile| profile.name).collect();
        let is_profile = |path: &Path| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let mut found = fitting(typed, names);
        found.extend(PathCompleter::any().filter(is_profile).complete(typed));
        found
    })
}

/// Completes the keys of profiles, each as a name without blanks.
pub fn keys() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = INSTANCE_KEYS.iter().map(|key| format!("{}=", key.name.replace(' ', "_")));
        fitting(typed, names.collect())
    })
}

fn columns(profiles: Vec<Listed>) -> String {
    let name = |profile: &Listed| profile.name.clone().unwrap_or("-".to_string());
    let width = |text: &str| text.chars().count();
    let names = profiles.iter().map(|profile| width(&name(profile))).max().unwrap_or_default();
    let places = profiles.iter().map(|profile| width(&profile.place)).max().unwrap_or_default();
    let mut text = String::new();
    for profile in profiles {
        let description = profile.description.as_deref().unwrap_or_default();
        let line = format!("{:names$}  {:places$}  {description}", name(&profile), profile.place);
        text.push_str(&visible(line.trim_end()));
        text.push('\n');
    }
    text
}
