complete -c ec2-power -s w -l wait -d 'Wait until the instances are in their new `state`: running, stopped or terminated (after a reboot: running). With `--wait ok` wait until EC2\'s status checks of the running instances pass, too' -r -f -a "state\t'The instance is running, stopped or terminated'
ok\t'It is running and its status checks pass'"
complete -c ec2-power -l timeout -d 'How long to wait without any progress: seconds, or with a unit (10m)' -r
complete -c ec2-power -l max -d 'Refuse to change more hosts than this [default: CERVEZA_MAX_HOSTS, and at most 10 for terminate]' -r
complete -c ec2-power -s r -l region -d 'Work in these regions, separated by commas, or in `all` regions that the account has enabled [default: CERVEZA_REGIONS, else the region of the AWS configuration]' -r
complete -c ec2-power -l account -d 'Work in the accounts of these profiles of the AWS configuration, separated by commas [default: the account of the environment]. A record that has `aws_profile` is looked for in that account' -r
complete -c ec2-power -l connect-timeout -d 'Time limit for each connection to AWS' -r
complete -c ec2-power -s z -l zone -d 'Change only hosts in this availability zone; a host in another zone is an error. The zone names the region too' -r
complete -c ec2-power -s o -l output -d 'Output format' -r -f -a "auto\t''
json\t''
names\t''
table\t''
csv\t'As RFC 4180 has it, with \\n at the end of lines'
tsv\t'With \\t, \\n, \\r and \\\\ for those characters, as PostgreSQL\'s COPY and mysql --batch write them'"
complete -c ec2-power -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-power -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t''
never\t''"
complete -c ec2-power -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-power -l force -d 'Stop without giving the operating system a chance to shut down. This also stops an instance that is stuck in `stopping`. Goes with stop'
complete -c ec2-power -l hibernate -d 'Stop and keep the memory on the root volume. The instance must have been launched for it. Goes with stop'
complete -c ec2-power -l release-addresses -d 'Release the elastic IP addresses that carry the names of the terminated hosts; waits until they are terminated. Without it the addresses are kept for the next launch'
complete -c ec2-power -l even-failed -d 'Change also hosts whose record says that a command before has failed (`status` is not `ok`)'
complete -c ec2-power -l allow-empty -d 'Do nothing and succeed, with a warning, if stdin has no hosts'
complete -c ec2-power -s y -l yes -d 'Terminate or resize without asking'
complete -c ec2-power -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ec2-power -s 1 -d 'Write names, one a line, also of hosts that failed (same as -o names)'
complete -c ec2-power -l no-header -d 'Write no header line'
complete -c ec2-power -l no-progress -d 'Show no progress bar'
complete -c ec2-power -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-power -s V -l version -d 'Print version'
