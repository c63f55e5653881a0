//! Templates in the language of Jinja, as all tools render them from host records.

mod environment;
mod setting;

pub use environment::{base64, environment, failure, reason, template_value};
pub use setting::{Setting, put_settings};
