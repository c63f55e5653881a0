//! The files of profiles that have been read.

use super::source::{SourceDocument, read_documents, read_text};
use cerveza_manners::Result;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The files that have been read, and the folders to look for profiles in.
pub struct Library {
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: HashMap<PathBuf, Result<Rc<Vec<SourceDocument>>>>,
}

impl Library {
    pub fn new(folders: Vec<PathBuf>) -> Library {
        Library { folders, files: HashMap::new() }
    }

    /// Returns the documents of a file, which is read once.
    pub(super) fn documents(&mut self, path: &Path) -> Result<Rc<Vec<SourceDocument>>> {
        let read = || {
            let text = read_text(path)?;
            Ok(Rc::new(read_documents(&path.display().to_string(), &text)?))
        };
        self.files.entry(path.to_path_buf()).or_insert_with(read).clone()
    }
}
