//! Finds the modules of a crate, and the file that a path such as `crate::a::b` leads to.

use super::source::{Path as Named, Statement, statements};
use cerveza_manners::{Failure, Result};
use proc_macro2::TokenStream;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module from the crate's root, such as `["call", "batch"]`.
type ModulePath = Vec<String>;

/// One import: a line of a file names something that another file defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub from: PathBuf,
    pub line: usize,
    /// What the line names, such as `crate::call::Batch`.
    pub path: String,
    pub to: PathBuf,
}

#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    /// Every path that the module imports or names in its code.
    paths: Vec<Named>,
    /// The paths that the names given by `use` stand for.
    names: HashMap<String, Vec<String>>,
}

/// The modules below one root file (`lib.rs` or `main.rs`).
#[derive(Debug)]
pub(super) struct Modules(BTreeMap<ModulePath, Module>);

/// How many `use` a name is followed through. Without a limit, `use name::name` of another crate would never end.
const MAX_CHAIN: usize = 16;

impl Modules {
    /// Reads the root file and all files of the modules declared there. Paths in the result are relative to `src`.
    pub fn read(src: &Path, root: &str) -> Result<Modules> {
        let mut modules = Modules(BTreeMap::new());
        modules.read_file(src, ModulePath::new(), PathBuf::from(root))?;
        Ok(modules)
    }

    fn read_file(&mut self, src: &Path, path: ModulePath, file: PathBuf) -> Result<()> {
        let failed = |why: String| Failure::usage(format!("cannot read {}: {why}", src.join(&file).display()));
        let text = fs::read_to_string(src.join(&file)).map_err(|error| failed(error.to_string()))?;
        let tokens: TokenStream = text.parse().map_err(|error| failed(format!("{error}")))?;
        // The modules of `mod.rs`, `lib.rs` and `main.rs` are beside the file, those of another file in the folder of its name.
        let is_head = path.is_empty() || file.ends_with("mod.rs");
        let folder =
            if is_head { file.parent().unwrap_or(Path::new("")).to_path_buf() } else { file.with_extension("") };
        self.add(src, path, &file, &folder, statements(tokens))
    }

    fn add(&mut self, src: &Path, path: ModulePath, file: &Path, folder: &Path, found: Vec<Statement>) -> Result<()> {
        let mut module = Module { file: file.to_path_buf(), ..Module::default() };
        for statement in found {
            match statement {
                Statement::Declares(name) => {
                    let beside = folder.join(&name).with_extension("rs");
                    let within = folder.join(&name).join("mod.rs");
                    let file = if src.join(&beside).exists() { beside } else { within };
                    self.read_file(src, child(&path, &name), file)?;
                }
                Statement::Inline(name, found) => {
                    self.add(src, child(&path, &name), file, &folder.join(&name), found)?
                }
                Statement::Names(path) => module.paths.push(path),
                Statement::Uses { path: named, name, public } => {
                    module.names.insert(name, named.segments.clone());
                    // A re-export of the root file is part of the crate's interface. The root file does not need it.
                    if !(public && path.is_empty()) {
                        module.paths.push(named);
                    }
                }
            }
        }
        self.0.insert(path, module);
        Ok(())
    }

    /// All imports from one file to another.
    pub fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (path, module) in &self.0 {
            for named in module.paths.iter().filter(|named| self.begins_here(path, &named.segments[0])) {
                if let Some(to) = self.file_of(path, &named.segments, 0).filter(|to| *to != module.file) {
                    imports.push(Import {
                        from: module.file.clone(),
                        line: named.line,
                        path: named.segments.join("::"),
                        to: to.to_path_buf(),
                    });
                }
            }
        }
        imports
    }

    /// Returns whether a path that begins with this word leads into the crate without a `use`.
    fn begins_here(&self, module: &ModulePath, first: &str) -> bool {
        ["crate", "self", "super"].contains(&first) || self.0.contains_key(&child(module, first))
    }

    /// Returns the file that defines the path in this module; none if another crate defines it.
    fn file_of(&self, from: &ModulePath, segments: &[String], chain: usize) -> Option<&Path> {
        let mut at = from.clone();
        for (number, segment) in segments.iter().enumerate() {
            match segment.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                name if self.0.contains_key(&child(&at, name)) => at.push(segment.clone()),
                name => match self.0.get(&at)?.names.get(name) {
                    Some(target) if chain < MAX_CHAIN => {
                        let whole: Vec<String> = target.iter().chain(&segments[number + 1..]).cloned().collect();
                        return self.file_of(&at, &whole, chain + 1);
                    }
                    None if number > 0 => break,
                    _ => return None,
                },
            }
        }
        self.0.get(&at).map(|module| module.file.as_path())
    }
}

fn child(path: &ModulePath, name: &str) -> ModulePath {
    path.iter().map(String::as_str).chain([name]).map(String::from).collect()
}
