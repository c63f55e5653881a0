//! Reads what else is to be shown of the instances, and writes them.

use crate::show_args::ShowArgs;
use crate::user_data::{self, UserData};
use cerveza_ec2::{Accounts, RegionArgs};
use cerveza_manners::{Column, OutputMode, ProgressArgs, RecordWriter, Result};
use cerveza_record::Record;
use std::io::{BufWriter, Stdout};

/// The last is for --user-data.
const COLUMNS: [Column; 8] = [
    Column { header: "HOST", key: "host" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "STATE", key: "state" },
    Column { header: "TYPE", key: "instance_type" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "PRIVATE IP", key: "private_ip" },
    Column { header: "PUBLIC IP", key: "public_ip" },
    Column { header: "USER DATA", key: "user_data" },
];

/// What writes the records.
pub fn writer(args: &ShowArgs) -> RecordWriter<BufWriter<Stdout>> {
    let columns = if args.user_data { &COLUMNS } else { &COLUMNS[..COLUMNS.len() - 1] };
    RecordWriter::stdout(args.output.mode(OutputMode::Table), columns)
}

/// Writes the instances that were found.
pub fn show(args: &ShowArgs, found: Vec<Record>, user_data: &UserData) -> Result<()> {
    let mut writer = writer(args);
    for mut record in found {
        let read = record.str("instance_id").and_then(|id| user_data.get(&id));
        if let Some(read) = read {
            user_data::put(&mut record, read);
        }
        if args.output.mode(OutputMode::Table) == OutputMode::Table {
            user_data::put_size(&mut record);
        }
        writer.write(&record)?;
    }
    writer.finish()
}

/// A terminated instance has no user-data any more, and is not asked for it.
pub async fn read_user_data(
    accounts: &Accounts,
    regions: &RegionArgs,
    progress: &ProgressArgs,
    found: &[Record],
) -> Result<UserData> {
    let place = |record: &Record| Some((record.str("region")?, record.str("instance_id")?));
    let is_gone = |record: &&Record| record.str("state").as_deref() == Some("terminated");
    let (gone, there): (Vec<&Record>, Vec<&Record>) = found.iter().partition(is_gone);
    let bar = progress.bar(there.len() as u64, "reading user-data");
    let mut user_data = UserData::new();
    for (number, account) in accounts.iter().enumerate() {
        let Ok(ec2) = &account.ec2 else { continue };
        let is_its = |record: &&&Record| accounts.places_of(regions, record).contains(&number);
        let its: Vec<_> = there.iter().filter(is_its).filter_map(|record| place(record)).collect();
        user_data.extend(tokio::select! {
            read = ec2.user_data(&its, || bar.inc(1)) => read,
            interrupted = accounts.interrupted() => return Err(interrupted),
        });
    }
    bar.finish_and_clear();
    user_data.extend(gone.into_iter().filter_map(place).map(|(_, id)| (id, Ok(None))));
    Ok(user_data)
}
