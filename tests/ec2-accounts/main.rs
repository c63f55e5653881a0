//! Accounts, regions and the AWS configuration, which all EC2 tools share.

mod accounts;
mod configuration;
