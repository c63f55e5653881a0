//! `-x`, `-i` and `-X`: operations with what the arguments give, in the order of the command line.

use crate::set::Operator;
use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// Each operator with the expression on its right.
#[derive(Clone, Debug, Default)]
pub struct Operations(pub(crate) Vec<(Operator, String)>);

const OPTIONS: [(&str, char, Operator, &str); 3] = [
    ("exclude", 'x', Operator::Difference, "Leave out the hosts of EXPR, as ! does"),
    ("intersect", 'i', Operator::Intersection, "Keep only hosts that are also of EXPR, as & does"),
    ("xor", 'X', Operator::SymmetricDifference, "Take hosts that are of one side alone, as ^ does"),
];

impl clap::Args for Operations {
    fn augment_args(command: Command) -> Command {
        let option = |(name, short, _, help): (&'static str, char, Operator, &'static str)| {
            let help = format!("{help}. -x, -i and -X may be repeated, and apply to all arguments in the order given");
            Arg::new(name).short(short).long(name).value_name("EXPR").action(ArgAction::Append).help(help)
        };
        command.args(OPTIONS.map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Operations {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Operations, Error> {
        let mut found: Vec<(usize, Operator, String)> = Vec::new();
        for (name, _, operator, _) in OPTIONS {
            let expressions = matches.get_many::<String>(name).into_iter().flatten().cloned();
            let indices = matches.indices_of(name).into_iter().flatten();
            found.extend(indices.zip(expressions).map(|(index, expression)| (index, operator, expression)));
        }
        found.sort_by_key(|(index, _, _)| *index);
        Ok(Operations(found.into_iter().map(|(_, operator, expression)| (operator, expression)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Operations::from_arg_matches(matches)?;
        Ok(())
    }
}
