//! Names and orders the parts for the message, and finds problems between parts.

use crate::build::part::Part;
use crate::build::template;
use crate::check;
use crate::cloud_config::archive;
use crate::cloud_init::content_type::{ContentType, PartType};
use crate::cloud_init::file_name;
use crate::cloud_init::run_order;

pub(crate) struct Layout {
    /// In the order and with the names of the message.
    pub parts: Vec<Part>,
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

/// Names and orders the parts, which are given in the order of the command line.
pub(crate) fn lay_out(mut parts: Vec<Part>, keep_names: bool) -> Layout {
    let (mut problems, mut warnings) = (given_twice(&parts), Vec::new());
    let mut names: Vec<_> = parts.iter().map(|part| (part.name.clone(), part.folder())).collect();
    // Where it stands does not matter to a script that is numbered, but to how much is compressed for each host.
    let moves: Vec<bool> = parts.iter().map(|part| !keep_names && part.is_template && part.runs_by_name()).collect();
    if keep_names {
        let say = |(run, given)| format!("cloud-init runs scripts sorted by name: {run}, not as given: {given}");
        warnings.extend(run_order::changed(&names).into_iter().map(say));
        for (first, second, say) in run_order::collisions(&names) {
            problems.push(format!("{} and {}: {say}", parts[first].path, parts[second].path));
        }
    } else {
        run_order::number(&mut names, &moves)
    }
    for (part, (name, folder)) in parts.iter_mut().zip(names) {
        let problem = folder
            .and_then(|_| file_name::problem(&file_name::cleaned(&name)))
            .or(run_order::overwritten(&name, folder));
        problems.extend(problem.map(|problem| format!("{}: {problem}", part.path)));
        part.name = name;
    }
    let (last, first): (Vec<_>, Vec<_>) = parts.into_iter().zip(moves).partition(|(_, moves)| *moves);
    let parts: Vec<Part> = first.into_iter().chain(last).map(|(part, _)| part).collect();
    problems.extend(unhandled(&parts));
    problems.extend(overwritten_in_archives(&parts));
    warnings.extend(not_rendered(&parts));
    warnings.extend(own_names(&parts));
    Layout { parts, problems, warnings }
}

fn given_twice(parts: &[Part]) -> Vec<String> {
    let is_same = |a: &Part, b: &Part| (&a.path, &a.declared) == (&b.path, &b.declared);
    let twice = |(at, part): (usize, &Part)| {
        parts[..at].iter().any(|earlier| is_same(earlier, part)).then(|| format!("{} is given twice", part.path))
    };
    parts.iter().enumerate().filter_map(twice).collect()
}

/// Returns a problem for each part whose type neither cloud-init nor an earlier part handles.
fn unhandled(parts: &[Part]) -> Vec<String> {
    let mut problems = Vec::new();
    for part in parts {
        match &part.part_type {
            // What these bring is not known here.
            PartType::Known(
                ContentType::PartHandler
                | ContentType::CloudConfigArchive
                | ContentType::Include
                | ContentType::IncludeOnce,
            ) => break,
            PartType::Custom(mime) => problems.push(format!("{}: {}", part.path, check::unhandled(mime))),
            _ => {}
        }
    }
    problems
}

/// Returns a warning for each part that looks like a template and is not rendered.
fn not_rendered(parts: &[Part]) -> Vec<String> {
    let is_one = |part: &&Part| {
        let rendered_later = part.part_type.content_type() == Some(ContentType::Jinja);
        !part.is_template && !part.is_raw && !rendered_later && template::has_names(&part.content)
    };
    let say = |part: &Part| format!("{}: has {{{{ }}}} in it, but only files that end in .j2 are rendered", part.path);
    parts.iter().filter(is_one).map(say).collect()
}

fn overwritten_in_archives(parts: &[Part]) -> Vec<String> {
    let mut problems = Vec::new();
    for part in parts.iter().filter(|part| part.part_type == PartType::Known(ContentType::CloudConfigArchive)) {
        for (at, entry) in archive::entries(&String::from_utf8_lossy(&part.content)).iter().enumerate() {
            let problem = entry.name.as_deref().and_then(|name| run_order::overwritten(name, entry.folder()));
            problems.extend(problem.map(|problem| format!("{}: entry {}: {problem}", part.path, at + 1)));
        }
    }
    problems
}

/// Returns a warning for each archive with scripts, because their names get no numbers.
fn own_names(parts: &[Part]) -> Vec<String> {
    let is_archive = |part: &&Part| part.part_type == PartType::Known(ContentType::CloudConfigArchive);
    let has_script = |part: &&Part| {
        let text = String::from_utf8_lossy(&part.content);
        archive::entries(&text).iter().any(|entry| entry.folder().is_some())
    };
    let say = |part: &Part| format!("{}: the scripts in it run by names of their own, among the others", part.path);
    parts.iter().filter(is_archive).filter(has_script).map(say).collect()
}
