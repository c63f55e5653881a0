complete -c ec2-ls -s s -l state -d 'Instances in these states, as in stopped, or `all`' -r
complete -c ec2-ls -l has -d 'Instances that have these tags, whatever their values' -r
complete -c ec2-ls -l type -d 'Instances of these types, as in \'t3.*,m5.large\'' -r
complete -c ec2-ls -s z -l zone -d 'Instances in these availability zones (names or ids)' -r
complete -c ec2-ls -l vpc -d 'Instances in these VPCs' -r
complete -c ec2-ls -l subnet -d 'Instances in these subnets' -r
complete -c ec2-ls -l ami -d 'Instances of these images' -r
complete -c ec2-ls -l profile -d 'Instances that ec2-launch launched with these profiles' -r
complete -c ec2-ls -l group -d 'Instances in these security groups (names or ids)' -r
complete -c ec2-ls -l ip -d 'Instances with these addresses or networks, as in 10.1.0.0/16' -r
complete -c ec2-ls -l launched-before -d 'Instances last started before this time, as in 2d (2 days ago)' -r
complete -c ec2-ls -l launched-after -d 'Instances last started at this time or later' -r
complete -c ec2-ls -l filter -d 'Any filter of EC2, as in Name=tag:role,Values=web*' -r
complete -c ec2-ls -l last -d 'List the instances of a saved listing, for outages' -r -F
complete -c ec2-ls -l timeout -d 'Time limit for each answer of a region' -r
complete -c ec2-ls -s r -l region -d 'Regions, separated by commas, or `all`' -r
complete -c ec2-ls -l account -d 'AWS profiles of the accounts to work in' -r
complete -c ec2-ls -l connect-timeout -d 'Time limit for each connection to AWS' -r
complete -c ec2-ls -l watch -d 'Repeat the table at this interval, and mark changes' -r
complete -c ec2-ls -s o -l output -d 'Output format' -r -f -a "auto\t'`json` in a pipe or file; on a terminal a table (pssh-rs, ec2-run: lines; hostrange: names)'
json\t'JSON lines: one record per line'
names\t'One name per line'
table\t'Aligned columns with headers'
csv\t'As in RFC 4180, with \\n at the end of lines'
tsv\t'Tabs between columns; tab, newline, return and backslash are \\t, \\n, \\r and \\\\, as in PostgreSQL\'s COPY'"
complete -c ec2-ls -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-ls -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t'Always use colours'
never\t'Never use colours'"
complete -c ec2-ls -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-ls -l fail-empty -d 'Exit with 1 if nothing is found'
complete -c ec2-ls -l status -d 'Add status checks and scheduled events'
complete -c ec2-ls -l volume-sizes -d 'Add the sizes of volumes'
complete -c ec2-ls -l user-data -d 'Add the user-data, in base64'
complete -c ec2-ls -l console -d 'Add the latest console output, or print it as text'
complete -c ec2-ls -l host-keys -d 'Add the SSH host keys that the console shows'
complete -c ec2-ls -l volumes -d 'List the volumes of the instances'
complete -c ec2-ls -l addresses -d 'List the elastic IP addresses of the instances'
complete -c ec2-ls -s 1 -d 'Write the names of all hosts, one per line (same as -o names)'
complete -c ec2-ls -l no-header -d 'Write no header line'
complete -c ec2-ls -l no-progress -d 'Show no progress bar'
complete -c ec2-ls -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-ls -s V -l version -d 'Print version'
