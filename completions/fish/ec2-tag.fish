complete -c ec2-tag -s r -l region -d 'Regions, separated by commas, or `all`' -r
complete -c ec2-tag -l account -d 'AWS profiles of the accounts to work in' -r
complete -c ec2-tag -l connect-timeout -d 'Time limit for each connection to AWS' -r
complete -c ec2-tag -s o -l output -d 'Output format' -r -f -a "auto\t''
json\t''
names\t''
table\t''
csv\t'As RFC 4180 has it, with \\n at the end of lines'
tsv\t'With \\t, \\n, \\r and \\\\ for those characters, as PostgreSQL\'s COPY and mysql --batch write them'"
complete -c ec2-tag -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-tag -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t''
never\t''"
complete -c ec2-tag -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-tag -l volumes -d 'Tag the EBS volumes of the hosts too. This is the default'
complete -c ec2-tag -l no-volumes -d 'Leave the tags of the volumes alone'
complete -c ec2-tag -l device-names -d 'Tag each volume with the name of its host (key Name) and its device, such as /dev/sdf (key device). No KEY=VALUE is needed then'
complete -c ec2-tag -s n -l dry-run -d 'Show the tags before and after, and change nothing'
complete -c ec2-tag -s 1 -d 'Write names, one a line, also of hosts that failed (same as -o names)'
complete -c ec2-tag -l no-header -d 'Write no header line'
complete -c ec2-tag -l no-progress -d 'Show no progress bar'
complete -c ec2-tag -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-tag -s V -l version -d 'Print version'
