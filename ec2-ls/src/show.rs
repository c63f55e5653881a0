//! Reads what else is to be shown of the instances, and writes them.

use crate::query::Query;
use crate::show_args::ShowArgs;
use crate::user_data::{self, UserData};
use cerveza_ec2::Ec2;
use cerveza_manners::{Column, OutputMode, ProgressArgs, RecordWriter, Result};
use cerveza_record::Record;

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

/// Writes the instances that were found.
pub fn show(args: &ShowArgs, query: &Query, found: Vec<Record>, user_data: &UserData) -> Result<()> {
    let mode = args.output.mode(OutputMode::Table);
    let columns = if args.user_data { &COLUMNS } else { &COLUMNS[..COLUMNS.len() - 1] };
    let mut writer = RecordWriter::stdout(mode, columns);
    for found in found {
        let read = found.str("instance_id").and_then(|id| user_data.get(&id));
        let mut record = query.answer(found);
        if let Some(read) = read {
            user_data::put(&mut record, read);
        }
        if mode == OutputMode::Table {
            user_data::put_size(&mut record);
        }
        writer.write(&record)?;
    }
    writer.finish()
}

/// A terminated instance has no user-data any more, and is not asked for it.
pub async fn read_user_data(ec2: &Ec2, progress: &ProgressArgs, found: &[Record]) -> Result<UserData> {
    let place = |record: &Record| Some((record.str("region")?, record.str("instance_id")?));
    let is_gone = |record: &&Record| record.str("state").as_deref() == Some("terminated");
    let (gone, there): (Vec<&Record>, Vec<&Record>) = found.iter().partition(is_gone);
    let there: Vec<_> = there.into_iter().filter_map(place).collect();
    let bar = progress.bar(there.len() as u64, "reading user-data");
    let mut user_data = tokio::select! {
        read = ec2.user_data(&there, || bar.inc(1)) => read,
        interrupted = ec2.interrupted() => return Err(interrupted),
    };
    bar.finish_and_clear();
    user_data.extend(gone.into_iter().filter_map(place).map(|(_, id)| (id, Ok(None))));
    Ok(user_data)
}
