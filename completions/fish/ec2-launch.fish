complete -c ec2-launch -s p -l profile -d 'Launch hosts by this profile: its name, its FILE, or FILE:NAME in a file of several [default: the profile that is remembered of each host]' -r
complete -c ec2-launch -l set -d 'Override a key of the profile, as in --set \'root volume.size=20\'; the value is YAML. May be given several times' -r
complete -c ec2-launch -s z -l zone -d 'Launch in this availability zone, such as us-east-1a [default: that of the record or the profile, else EC2 chooses]' -r
complete -c ec2-launch -l spread -d 'Launch in these zones in turn, by the number in each name: web1 in the first, web2 in the second. Zones are names or letters (a,b,c); a zone in a host\'s record counts instead' -r
complete -c ec2-launch -s r -l region -d 'Look and launch in this region [default: the zone\'s, else that of the AWS configuration]' -r
complete -c ec2-launch -s t -l tag -d 'Add a tag to the hosts that are launched. May be given several times' -r
complete -c ec2-launch -l plan -d 'Execute the plan that --dry-run has written to this file (`-`: stdin). If anything has changed since, refuse all of it' -r
complete -c ec2-launch -s w -l wait -d 'Wait until each host is `running`, until its sshd answers too (`ssh`), or not at all (`none`)' -r -f -a "running\t'EC2 calls the instance running'
ssh\t'sshd sends its banner'
none\t'Do not wait'"
complete -c ec2-launch -l address -d 'Record field with the address that --wait ssh connects to, such as public_ip or host [default: private_ip, else public_ip, else host]' -r
complete -c ec2-launch -l ssh-port -d 'Port that --wait ssh connects to if a record has none [default: 22]' -r
complete -c ec2-launch -l timeout -d 'How long to wait without any progress: seconds, or with a unit (10m)' -r
complete -c ec2-launch -s o -l output -d 'Output format' -r -f -a "auto\t''
json\t''
names\t''
table\t''
csv\t'As RFC 4180 has it, with \\n at the end of lines'
tsv\t'With \\t, \\n, \\r and \\\\ for those characters, as PostgreSQL\'s COPY and mysql --batch write them'"
complete -c ec2-launch -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-launch -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t''
never\t''"
complete -c ec2-launch -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-launch -l show-profile -d 'Print a profile as YAML, with all that it extends and what --set says, and launch nothing' -r
complete -c ec2-launch -s n -l dry-run -d 'Print the plan as records and change nothing: what would be done for each host, why, and all that would be requested'
complete -c ec2-launch -l no-wait -d 'Do not wait: the same as --wait none'
complete -c ec2-launch -l host-keys -d 'Add to each record, as `host_keys`, the public host keys that the instance has printed on its console; pssh-rs then accepts no other machine'
complete -c ec2-launch -s 1 -d 'Write names, one a line, also of hosts that failed (same as -o names)'
complete -c ec2-launch -l no-header -d 'Write no header line'
complete -c ec2-launch -l no-progress -d 'Show no progress bar'
complete -c ec2-launch -l no-remember -d 'Neither read nor write what is remembered of hosts in the SSM parameters /cerveza/hosts/NAME'
complete -c ec2-launch -l show-memory -d 'Print what is remembered of each host as `memory` in its record, and launch nothing'
complete -c ec2-launch -l forget -d 'Delete what is remembered of each host, and launch nothing. --dry-run shows what would be deleted'
complete -c ec2-launch -l list-profiles -d 'Print the name, the place and the description of each profile in the folders of profiles, and launch nothing'
complete -c ec2-launch -l profile-schema -d 'Print the JSON Schema of profiles, for editors, and launch nothing'
complete -c ec2-launch -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-launch -s V -l version -d 'Print version'
