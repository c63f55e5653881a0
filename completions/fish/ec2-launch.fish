complete -c ec2-launch -s p -l profile -d 'Profile to launch from: a name, FILE or FILE:NAME' -r
complete -c ec2-launch -l set -d 'Override a key of the profile, as in \'root volume.size=20\'' -r
complete -c ec2-launch -s z -l zone -d 'Launch in this availability zone, as in us-east-1a' -r
complete -c ec2-launch -l spread -d 'Launch in these zones in turn, as in a,b,c' -r
complete -c ec2-launch -s r -l region -d 'Launch in this region' -r
complete -c ec2-launch -s t -l tag -d 'Add a tag to the hosts that are launched' -r
complete -c ec2-launch -l plan -d 'Execute the plan that --dry-run wrote to a file' -r
complete -c ec2-launch -s w -l wait -d 'Wait until hosts are running, until their sshd answers, or not at all' -r -f -a "running\t'EC2 says that the instance is running'
ssh\t'Its sshd answers too'
none\t'Do not wait'"
complete -c ec2-launch -l address -d 'Field with the address that --wait ssh connects to' -r
complete -c ec2-launch -l ssh-port -d 'Port that --wait ssh connects to' -r
complete -c ec2-launch -l timeout -d 'Give up when no host has become ready for this time' -r
complete -c ec2-launch -l show-profile -d 'Print a profile as YAML, with everything it extends' -r
complete -c ec2-launch -s o -l output -d 'Output format' -r -f -a "auto\t'`json` in a pipe or file; on a terminal a table (pssh-rs, ec2-run: lines; hostrange: names)'
json\t'JSON lines: one record per line'
names\t'One name per line'
table\t'Aligned columns with headers'
csv\t'As in RFC 4180, with \\n at the end of lines'
tsv\t'Tabs between columns; tab, newline, return and backslash are \\t, \\n, \\r and \\\\, as in PostgreSQL\'s COPY'"
complete -c ec2-launch -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-launch -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t'Always use colours'
never\t'Never use colours'"
complete -c ec2-launch -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-launch -s n -l dry-run -d 'Print the plan, and change nothing'
complete -c ec2-launch -l no-wait -d 'Do not wait, like --wait none'
complete -c ec2-launch -l host-keys -d 'Add the SSH host keys that each console shows'
complete -c ec2-launch -l no-remember -d 'Do not read or write what is remembered of hosts'
complete -c ec2-launch -l show-memory -d 'Print what is remembered of each host'
complete -c ec2-launch -l forget -d 'Delete what is remembered of each host'
complete -c ec2-launch -l list-profiles -d 'List the profiles in the folders of profiles'
complete -c ec2-launch -l profile-schema -d 'Print the JSON Schema of profiles, for editors'
complete -c ec2-launch -s 1 -d 'Write the names of all hosts, one per line (same as -o names)'
complete -c ec2-launch -l no-header -d 'Write no header line'
complete -c ec2-launch -l no-progress -d 'Show no progress bar'
complete -c ec2-launch -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-launch -s V -l version -d 'Print version'
