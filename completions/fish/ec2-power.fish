complete -c ec2-power -s w -l wait -d 'Wait until the hosts are in the new state, or `ok`' -r -f -a "state\t'The instance is running, stopped or terminated'
ok\t'It is running and its status checks pass'"
complete -c ec2-power -l timeout -d 'Give up when no host has become ready for this time' -r
complete -c ec2-power -l max -d 'Refuse to change more hosts than this' -r
complete -c ec2-power -s r -l region -d 'Regions, separated by commas, or `all`' -r
complete -c ec2-power -l account -d 'AWS profiles of the accounts to work in' -r
complete -c ec2-power -l connect-timeout -d 'Time limit for each connection to AWS' -r
complete -c ec2-power -s z -l zone -d 'Change only hosts in this availability zone' -r
complete -c ec2-power -s o -l output -d 'Output format' -r -f -a "auto\t'`json` in a pipe or file; on a terminal a table (pssh-rs, ec2-run: lines; hostrange: names)'
json\t'JSON lines: one record per line'
names\t'One name per line'
table\t'Aligned columns with headers'
csv\t'As in RFC 4180, with \\n at the end of lines'
tsv\t'Tabs between columns; tab, newline, return and backslash are \\t, \\n, \\r and \\\\, as in PostgreSQL\'s COPY'"
complete -c ec2-power -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-power -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t'Always use colours'
never\t'Never use colours'"
complete -c ec2-power -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-power -l force -d 'With stop: do not shut down the operating system first'
complete -c ec2-power -l hibernate -d 'With stop: save the memory to the root volume'
complete -c ec2-power -l release-addresses -d 'With terminate: release the hosts\' elastic IP addresses'
complete -c ec2-power -l even-failed -d 'Also change hosts on which an earlier command failed'
complete -c ec2-power -l allow-empty -d 'Warn instead of failing if stdin has no hosts'
complete -c ec2-power -s y -l yes -d 'Terminate or resize without asking'
complete -c ec2-power -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ec2-power -s 1 -d 'Write the names of all hosts, one per line (same as -o names)'
complete -c ec2-power -l no-header -d 'Write no header line'
complete -c ec2-power -l no-progress -d 'Show no progress bar'
complete -c ec2-power -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-power -s V -l version -d 'Print version'
