//! Makes the recipe that a host is launched by of what is remembered: the profile, and the files that it names.

use crate::library::folders::folders;
use crate::memory::Memory;
use crate::memory::with_hint;
use crate::profile::PerPlace;
use crate::profile::file::{ProfileFile, read_named};
use crate::request::Recipe;
use crate::tags::{DIGEST_TAG, sha256};
use cerveza_ec2::ImageChoice;
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// What the command line says of every launch.
#[derive(Clone, Debug, Default)]
pub struct CommandLine<'a> {
    pub zone: Option<String>,
    pub tags: Vec<(String, String)>,
    /// That of --profile. Then hosts are launched by that.
    pub profile: Option<&'a ProfileFile>,
}

/// Makes a recipe of each profile once.
pub struct RecipeReader<'a> {
    pub args: &'a CommandLine<'a>,
    recipes: HashMap<(String, bool), Made>,
}

/// A recipe, and the digests of its files.
type Made = (Result<Arc<Recipe>>, BTreeMap<String, String>);

impl<'a> RecipeReader<'a> {
    pub fn new(args: &'a CommandLine<'a>) -> RecipeReader<'a> {
        RecipeReader { args, recipes: HashMap::new() }
    }

    /// Returns the recipe of a memory, for a host with or without an instance.
    pub fn remembered_recipe(&mut self, memory: &Memory, has_instance: bool, warnings: &mut Vec<String>) -> Made {
        let image = memory.image_id.as_deref().unwrap_or_default();
        let key = (format!("{} {} {image}", memory.profile_name, memory.digest), has_instance);
        if let Some(made) = self.recipes.get(&key) {
            return made.clone();
        }
        let made = match remembered_file(memory) {
            Err(failure) => {
                if has_instance {
                    warnings.push(with_hint(&failure));
                }
                (Err(failure), BTreeMap::new())
            }
            Ok(mut file) => {
                let files = digests(&file);
                keep_image(&mut file, memory.image_id.as_deref());
                let made = if has_instance {
                    Ok(self.light(file, warnings))
                } else {
                    refuse_missing(&file).and_then(|()| self.new_recipe(file))
                };
                (made.map(Arc::new), files)
            }
        };
        self.recipes.insert(key, made.clone());
        made
    }

    fn new_recipe(&self, file: ProfileFile) -> Result<Recipe> {
        Recipe::new(file, self.args.zone.clone(), self.args.tags.clone())
    }

    /// Returns the recipe for a host that has an instance: without the parts, which only a launch needs. Scripts that
    /// are not found keep their name, so pssh-rs reports them.
    fn light(&self, mut file: ProfileFile, warnings: &mut Vec<String>) -> Recipe {
        file.profile.user_data.clear();
        let (startup, shutdown) =
            (std::mem::take(&mut file.profile.startup_scripts), std::mem::take(&mut file.profile.shutdown_scripts));
        let mut find = |what: &str, names: Vec<String>| -> Vec<PathBuf> {
            let path = |name: &String| file.find_script(what, name);
            names.iter().map(path).collect::<Result<_>>().unwrap_or_else(|failure| {
                warnings.push(failure.message);
                names.iter().map(PathBuf::from).collect()
            })
        };
        let (startup_scripts, shutdown_scripts) = (find("startup script", startup), find("shutdown script", shutdown));
        Recipe {
            file,
            parts: None,
            startup_scripts,
            shutdown_scripts,
            zone: self.args.zone.clone(),
            tags: self.args.tags.clone(),
        }
    }

    /// Returns the recipe of the profile that an instance's tags name, if it is found and the same as it was then.
    pub fn tagged_recipe(&mut self, instance: &Record, has_instance: bool) -> Option<Result<Arc<Recipe>>> {
        let Some(Value::Object(tags)) = instance.get("tags") else { return None };
        let (name, digest) = (tags.get("profile")?.as_str()?, tags.get(DIGEST_TAG)?.as_str()?);
        let image = instance.str("image_id").unwrap_or_default();
        let key = (format!("{name} {digest} {image}"), has_instance);
        if let Some((made, _)) = self.recipes.get(&key) {
            return Some(made.clone());
        }
        let made = tagged_file(name, digest).and_then(|mut file| {
            keep_image(&mut file, Some(image.as_str()));
            if has_instance { Ok(self.light(file, &mut Vec::new())) } else { self.new_recipe(file) }
        });
        let made = made.map(Arc::new);
        self.recipes.insert(key, (made.clone(), BTreeMap::new()));
        Some(made)
    }
}

/// Returns the profile that the tags of an instance name, as it was when the instance was launched.
fn tagged_file(name: &str, digest: &str) -> Result<ProfileFile> {
    let refused = |what: &str| {
        let why = format!("its last instance was launched from the profile {name} ({digest}), {what}");
        Failure::unreached(why).hint("use --profile to launch it")
    };
    let file = profile_named(name).ok_or_else(|| refused("which is not in the folders of profiles"))?;
    if file.digest_tag() == digest { Ok(file) } else { Err(refused("which has changed since")) }
}

/// Launches by the image of the last instance if the profile does not give the id of one: what is the newest image of a
/// name, or the value of a parameter, may be another one today.
fn keep_image(file: &mut ProfileFile, image_id: Option<&str>) {
    let is_id = |choice: &ImageChoice| matches!(choice, ImageChoice::Id(_));
    let has_ids = match &file.profile.image {
        None => return,
        Some(PerPlace::Everywhere(choice)) => is_id(choice),
        Some(PerPlace::Each(choices)) => choices.values().all(is_id),
    };
    if let Some(id) = image_id.filter(|id| !has_ids && !id.is_empty()) {
        file.profile.image = Some(PerPlace::Everywhere(ImageChoice::Id(id.to_string())));
    }
}

/// Returns the remembered profile, with the folder that has the most of its files.
fn remembered_file(memory: &Memory) -> Result<ProfileFile> {
    let name = &memory.profile_name;
    let Some(document) = &memory.profile else {
        return Err(Failure::usage(format!("its profile {name} is too large to be remembered"))
            .hint(format!("give --profile {name}")));
    };
    let shown = format!("the remembered profile {name}");
    let at = |folder: PathBuf| ProfileFile::from_text(name, &shown, &folder, &document.to_string());
    let folders = folders().into_iter().chain(profile_named(name).map(|file| file.folder));
    let mut best = at(PathBuf::from("."))?;
    for folder in folders {
        // What is made of it (startup_scripts) travels on in records.
        let Ok(folder) = std::fs::canonicalize(folder) else { continue };
        let file = at(folder)?;
        if missing(&file).len() < missing(&best).len() || best.folder.is_relative() {
            best = file;
        }
    }
    let changed = names(&best).find(|(what, name)| is_outside(name) && !is_as_remembered(&best, what, name, memory));
    if let Some((what, file)) = changed {
        return Err(Failure::usage(format!("{shown}: the {what} {file} has changed"))
            .hint(format!("check it, and use --profile {name}")));
    }
    Ok(best)
}

/// Returns whether a file's name leads out of the folders of profiles.
fn is_outside(name: &str) -> bool {
    let path = Path::new(name);
    path.is_absolute() || path.components().any(|component| component == Component::ParentDir)
}

/// Returns whether a file is the one that was remembered. Anyone who may write the parameter can name any file of this
/// machine in it, but cannot know the digest of a file that is not theirs to read.
fn is_as_remembered(file: &ProfileFile, what: &str, name: &str, memory: &Memory) -> bool {
    digest(file, what, name).is_none_or(|digest| memory.files.get(name) == Some(&digest))
}

/// Returns the profile of this name in the folders of profiles. A name from EC2 is never taken for a path.
fn profile_named(name: &str) -> Option<ProfileFile> {
    read_named(name).ok()
}

/// Returns the names of a profile's parts and scripts, each with the profile's word for it.
fn names(file: &ProfileFile) -> impl Iterator<Item = (&'static str, &String)> {
    let profile = &file.profile;
    let lists = [
        ("user data part", &profile.user_data),
        ("startup script", &profile.startup_scripts),
        ("shutdown script", &profile.shutdown_scripts),
    ];
    lists.into_iter().flat_map(|(what, names)| names.iter().map(move |name| (what, name)))
}

fn missing(file: &ProfileFile) -> Vec<String> {
    names(file).filter(|(what, name)| file.find(what, name).is_err()).map(|(_, name)| name.clone()).collect()
}

/// Fails with the names of all files that are missing.
fn refuse_missing(file: &ProfileFile) -> Result<()> {
    let missing = missing(file);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::usage(format!(
            "the remembered profile {} needs files that are not here: {}",
            file.name,
            missing.join(", ")
        ))
        .hint("run it in their folder, or name the folder in CERVEZA_PROFILES"))
    }
}

/// SHA-256 of a profile's parts and scripts, by their names. One that cannot be read has none.
pub fn digests(file: &ProfileFile) -> BTreeMap<String, String> {
    names(file).filter_map(|(what, name)| Some((name.clone(), digest(file, what, name)?))).collect()
}

fn digest(file: &ProfileFile, what: &str, name: &str) -> Option<String> {
    let path = file.find(what, name).ok()?;
    // A type may follow a part's path.
    let plain = path.to_str().and_then(|path| path.rsplit_once(':')).map(|(path, _)| PathBuf::from(path));
    let content = std::fs::read(&path).ok().or_else(|| std::fs::read(plain?).ok())?;
    Some(sha256(&content))
}

pub fn warn_of_changes(memory: &Memory, files: &BTreeMap<String, String>, warnings: &mut Vec<String>) {
    let is_changed = |(name, digest): &(&String, &String)| memory.files.get(*name).is_some_and(|old| old != *digest);
    let changed: Vec<&str> = files.iter().filter(is_changed).map(|(name, _)| name.as_str()).collect();
    if !changed.is_empty() {
        let warning = format!("profile {}: changed since it was remembered: {}", memory.label(), changed.join(", "));
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}
