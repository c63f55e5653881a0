complete -c ec2-ls -s s -l state -d 'Find instances in these states: pending, running, stopping, stopped, shutting-down, terminated, or all [default: all but shutting-down and terminated]. With --volumes also volumes in these: creating, available, in-use, deleting, deleted, error' -r
complete -c ec2-ls -l has -d 'Find instances that have these tags, whatever their values' -r
complete -c ec2-ls -l type -d 'Find instances of these types, as in \'t3.*,m5.large\'' -r
complete -c ec2-ls -s z -l zone -d 'Find instances in these availability zones, by their names or ids' -r
complete -c ec2-ls -l vpc -d 'Find instances in these VPCs' -r
complete -c ec2-ls -l subnet -d 'Find instances in these subnets' -r
complete -c ec2-ls -l ami -d 'Find instances of these images' -r
complete -c ec2-ls -l profile -d 'Find instances that ec2-launch launched with these profiles' -r
complete -c ec2-ls -l group -d 'Find instances in these security groups, by their names or ids' -r
complete -c ec2-ls -l ip -d 'Find instances with these private, public or IPv6 addresses, or with one in these networks, as in 10.1.0.0/16' -r
complete -c ec2-ls -l launched-before -d 'Find instances that were last started before this time: a date, a time in UTC, or how long ago, as in 2d' -r
complete -c ec2-ls -l launched-after -d 'Find instances that were last started at this time or later' -r
complete -c ec2-ls -l filter -d 'Find instances by any filter of EC2, in the shorthand of the AWS CLI: Name=FILTER,Values=GLOB,...' -r
complete -c ec2-ls -l last -d 'Ask only for the instances of this saved listing, zone by zone, while a zone is down. A host whose zone does not answer comes out as in the file, with the file\'s time as `stale`' -r -F
complete -c ec2-ls -l timeout -d 'Time limit for each answer of a region; a region that exceeds it is reported, and the others are listed' -r
complete -c ec2-ls -s r -l region -d 'Work in these regions, separated by commas, or in `all` regions that the account has enabled [default: CERVEZA_REGIONS, else the region of the AWS configuration]' -r
complete -c ec2-ls -l account -d 'Work in the accounts of these profiles of the AWS configuration, separated by commas [default: the account of the environment]. A record that has `aws_profile` is looked for in that account' -r
complete -c ec2-ls -l connect-timeout -d 'Time limit for each connection to AWS' -r
complete -c ec2-ls -l watch -d 'Show the table again every so many seconds, with what has changed in bold' -r
complete -c ec2-ls -s o -l output -d 'Output format' -r -f -a "auto\t''
json\t''
names\t''
table\t''
csv\t'As RFC 4180 has it, with \\n at the end of lines'
tsv\t'With \\t, \\n, \\r and \\\\ for those characters, as PostgreSQL\'s COPY and mysql --batch write them'"
complete -c ec2-ls -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-ls -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t''
never\t''"
complete -c ec2-ls -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-ls -l fail-empty -d 'Exit with 1 when nothing is found'
complete -c ec2-ls -l status -d 'Add to each record the result of its status checks (`status_checks`) and its events that are to come (`scheduled_events`). Without this a table on a terminal shows failed checks and events in a column NOTE'
complete -c ec2-ls -l volume-sizes -d 'Add to each record the sizes of its volumes: `size_gib` in `volumes`'
complete -c ec2-ls -l user-data -d 'Add to each record the user-data of the instance, in base64, as `user_data`. It may hold secrets; a table shows its size alone'
complete -c ec2-ls -l console -d 'Add to each record what its console showed last, as `console`. Instead of a table write the text itself, under a line that names the host'
complete -c ec2-ls -l host-keys -d 'Add to each record the public SSH host keys that its console shows, as `host_keys`, by which pssh-rs knows the host'
complete -c ec2-ls -l volumes -d 'Write a record for each volume of the instances instead. Without words and filters, also those that no instance uses'
complete -c ec2-ls -l addresses -d 'Write a record for each elastic IP address of the instances instead. Without words and filters, also those that no instance has'
complete -c ec2-ls -s 1 -d 'Write names, one a line, also of hosts that failed (same as -o names)'
complete -c ec2-ls -l no-header -d 'Write no header line'
complete -c ec2-ls -l no-progress -d 'Show no progress bar'
complete -c ec2-ls -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-ls -s V -l version -d 'Print version'
