complete -c ec2-tag -s r -l region -d 'Regions, separated by commas, or `all`' -r
complete -c ec2-tag -l account -d 'AWS profiles of the accounts to work in' -r
complete -c ec2-tag -l connect-timeout -d 'Time limit for each connection to AWS' -r
complete -c ec2-tag -s o -l output -d 'Output format' -r -f -a "auto\t'`json` in a pipe or file; on a terminal a table (pssh-rs, ec2-run: lines; hostrange: names)'
json\t'JSON lines: one record per line'
names\t'One name per line'
table\t'Aligned columns with headers'
csv\t'As in RFC 4180, with \\n at the end of lines'
tsv\t'Tabs between columns; tab, newline, return and backslash are \\t, \\n, \\r and \\\\, as in PostgreSQL\'s COPY'"
complete -c ec2-tag -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-tag -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t'Always use colours'
never\t'Never use colours'"
complete -c ec2-tag -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-tag -l volumes -d 'Tag the EBS volumes of the hosts too (the default)'
complete -c ec2-tag -l no-volumes -d 'Tag only the instances'
complete -c ec2-tag -l device-names -d 'Tag each volume with the name and the device of its host'
complete -c ec2-tag -s n -l dry-run -d 'Show tags before and after, and change nothing'
complete -c ec2-tag -s 1 -d 'Write the names of all hosts, one per line (same as -o names)'
complete -c ec2-tag -l no-header -d 'Write no header line'
complete -c ec2-tag -l no-progress -d 'Show no progress bar'
complete -c ec2-tag -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-tag -s V -l version -d 'Print version'
