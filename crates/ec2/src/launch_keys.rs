//! The parameters of RunInstances that a profile can set: one table for the profile's parser, its JSON Schema, the man
//! page and the request.

/// A key of a profile.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in a profile: `iam instance profile`. `_` and `-` may stand for the blanks.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    /// For the man page and the JSON Schema: one sentence.
    pub about: &'static str,
}

/// What the value of a key can be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Text,
    Flag,
    Number {
        least: i64,
        most: i64,
    },
    Choice(&'static [&'static str]),
    List(&'static Kind),
    /// Keys with values.
    Object(&'static [Key]),
    /// Any names with texts.
    Texts,
}

/// Parameters of RunInstances without a field of their own in `LaunchRequest`.
pub const LAUNCH_KEYS: &[Key] = &[Key {
    name: "iam instance profile",
    aliases: &[],
    kind: Kind::Text,
    about: "The IAM instance profile: a name or an ARN.",
}];
