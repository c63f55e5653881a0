//! Options that show profiles and launch nothing.

use crate::document::keys::INSTANCE_KEYS;
use crate::document::schema::schema;
use crate::library::Library;
use crate::library::folders::folders;
use crate::library::set_option::Override;
use crate::profile::file::read;
use cerveza_manners::{
    ArgValueCompleter, Column, Failure, OutputArgs, OutputMode, PathCompleter, Result, Status, Tool, ValueCompleter,
    fitting, visible,
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
    /// Writes the name, place and description of each profile.
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
        return list(output, tool).map(|()| Some(Status::Done));
    } else if args.profile_schema {
        format!("{:#}\n", schema())
    } else {
        return Ok(None);
    };
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| Failure::stdout(&error))?;
    Ok(Some(Status::Done))
}

/// The columns of the list of profiles.
const COLUMNS: [Column; 3] = [
    Column { header: "NAME", key: "name" },
    Column { header: "PLACE", key: "place" },
    Column { header: "DESCRIPTION", key: "description" },
];

/// Writes an object for each profile. Warns of files that cannot be read.
fn list(output: &OutputArgs, tool: &Tool) -> Result<()> {
    let (profiles, failures) = Library::new(folders()).list();
    failures.iter().for_each(|failure| tool.warn(&failure.message));
    let mut writer = output.writer(OutputMode::Table, &COLUMNS, tool);
    let needs_name = output.mode(OutputMode::Table) == OutputMode::Names;
    for profile in profiles.iter().filter(|profile| profile.name.is_some() || !needs_name) {
        let name = profile.name.as_deref().map(printed_name).unwrap_or_default();
        writer.write_object(&json!(profile), &name)?;
    }
    writer.finish()
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
        // What a profile extends cannot be overridden.
        let keys = INSTANCE_KEYS.iter().filter(|key| key.name != "extends");
        let names = keys.map(|key| format!("{}=", key.name.replace(' ', "_")));
        fitting(typed, names.collect())
    })
}
