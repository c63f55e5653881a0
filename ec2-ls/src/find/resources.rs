//! `--volumes` and `--addresses`: records of what instances use, and of what no instance uses.

use crate::find::Finder;
use crate::find::details::ids_by_region;
use crate::show::show_args::ShowArgs;
use cerveza_manners::{Column, Failure, OutputMode, Result, Tool};
use cerveza_record::{Record, natural_cmp};
use futures_util::future::join_all;
use std::collections::{BTreeSet, HashMap};

const VOLUME_COLUMNS: [Column; 10] = [
    Column { header: "HOST", key: "host" },
    Column { header: "VOLUME", key: "volume_id" },
    Column { header: "DEVICE", key: "device" },
    Column { header: "GIB", key: "size_gib" },
    Column { header: "TYPE", key: "volume_type" },
    Column { header: "IOPS", key: "iops" },
    Column { header: "ENCRYPTED", key: "encrypted" },
    Column { header: "STATE", key: "state" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "AWS PROFILE", key: "aws_profile" },
];

const ADDRESS_COLUMNS: [Column; 7] = [
    Column { header: "HOST", key: "host" },
    Column { header: "PUBLIC IP", key: "public_ip" },
    Column { header: "ALLOCATION", key: "allocation_id" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "PRIVATE IP", key: "private_ip" },
    Column { header: "REGION", key: "region" },
    Column { header: "AWS PROFILE", key: "aws_profile" },
];

/// Reads the volumes or addresses of the instances that were found. With `all` also those that no instance uses.
pub async fn read_resources(
    args: &ShowArgs,
    finder: &Finder<'_>,
    found: &[Record],
    all: bool,
) -> Result<(Vec<Record>, Vec<Failure>)> {
    let (mut records, mut failures) = (Vec::new(), Vec::new());
    for (account, ec2, places) in finder.by_account(found) {
        let its: Vec<Record> = places.into_iter().map(|place| found[place].clone()).collect();
        let ids = ids_by_region(&its);
        let mut regions: BTreeSet<String> = ids.keys().cloned().collect();
        if all {
            regions.extend(ec2.regions()?.iter().cloned());
        }
        let read = join_all(regions.iter().map(async |region| {
            let ids = ids.get(region).map(Vec::as_slice).filter(|_| !all);
            if args.volumes { ec2.volume_records(region, ids).await } else { ec2.address_records(region, ids).await }
        }));
        for read in read.await {
            match read {
                Ok(read) => records.extend(read.into_iter().map(|mut record| {
                    if let Some(profile) = &account.profile {
                        record.set("aws_profile", profile.as_str());
                    }
                    record
                })),
                Err(failure) => failures.push(finder.accounts.failure_of(account.profile.as_deref(), failure)),
            }
        }
    }
    let hosts: HashMap<String, &Record> =
        found.iter().filter_map(|host| Some((host.str("instance_id")?, host))).collect();
    for record in &mut records {
        let Some(id) = record.str("instance_id") else { continue };
        match hosts.get(&id) {
            Some(host) => record.set("host", host.host()),
            // One that was left out of the listing, such as a terminated one.
            None => record.set("host", id),
        }
    }
    records.sort_by(|a, b| natural_cmp(a.host(), b.host()).then_with(|| a.str("device").cmp(&b.str("device"))));
    Ok((records, failures))
}

/// Writes the records.
pub fn write_resources(args: &ShowArgs, records: &[Record], tool: &Tool) -> Result<()> {
    let columns = if args.volumes { &VOLUME_COLUMNS[..] } else { &ADDRESS_COLUMNS };
    // Those of csv and tsv are always the same.
    let columns = if args.mode() == OutputMode::Table { columns } else { &columns[..columns.len() - 1] };
    let writer = args.output.writer(OutputMode::Table, columns, tool);
    let mut writer = writer.optional(&["encrypted", "iops", "private_ip"]).only_if_used(&["aws_profile"]);
    records.iter().try_for_each(|record| writer.write(record))?;
    writer.finish()
}
