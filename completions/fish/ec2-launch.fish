complete -c ec2-launch -s p -l profile -d 'The profile to launch by: a name, or a file. Of a file with several profiles FILE:NAME names one. Without it hosts are launched by the profile that is remembered of them' -r
complete -c ec2-launch -l set -d 'Set a key of the profile for this run; may be given several times. The value is YAML, and a dot leads to a key within another: --set \'metadata options.http tokens=optional\'' -r
complete -c ec2-launch -l show-profile -d 'Print a profile as YAML, with all that it extends and what --set says, and launch nothing' -r
complete -c ec2-launch -s z -l zone -d 'The availability zone to launch in; it names the region too' -r
complete -c ec2-launch -l spread -d 'Distribute the hosts that are launched over these zones, in turn: web1 in the first, web2 in the second. Zones are given by name or by letter. A host whose record has a zone is launched there' -r
complete -c ec2-launch -s r -l region -d 'The region to look and launch in. Without it the zone\'s, else that of the AWS configuration' -r
complete -c ec2-launch -s t -l tag -d 'A tag for the hosts that are launched; may be given several times' -r
complete -c ec2-launch -s w -l wait -d 'Wait until each host is `running`, until its sshd answers too (`ssh`), or not at all (`none`). Without a value: running' -r -f -a "running\t'EC2 calls the instance running'
ssh\t'sshd sends its banner'
none\t'Do not wait'"
complete -c ec2-launch -l address -d 'For --wait ssh: connect to the address in this field of the record, such as public_ip or host [default: private_ip, else public_ip, else host]' -r
complete -c ec2-launch -l ssh-port -d 'For --wait ssh: connect to this port where a record has none of its own [default: 22]' -r
complete -c ec2-launch -l timeout -d 'How long to wait at the most: seconds, or with a unit (10m)' -r
complete -c ec2-launch -l plan -d 'Execute the plan that --dry-run has written to this file (`-`: stdin). If anything has changed since then, refuse all of it' -r
complete -c ec2-launch -s o -l output -d 'How to write the results: JSON lines, names (one a line) or a table. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''"
complete -c ec2-launch -l list-profiles -d 'Print the name, the place and the description of each profile in the folders of profiles, and launch nothing'
complete -c ec2-launch -l profile-schema -d 'Print the JSON Schema of profiles, for editors, and launch nothing'
complete -c ec2-launch -l no-wait -d 'Do not wait until the hosts run: the same as --wait none'
complete -c ec2-launch -l host-keys -d 'Add the public host keys that each instance has printed on its console to its record, as `host_keys`; pssh-rs then accepts no other machine. Waits for them up to --timeout'
complete -c ec2-launch -s n -l dry-run -d 'Print the plan as records: what would be done for each host, why, and everything that would be requested. Change nothing'
complete -c ec2-launch -l no-remember -d 'Neither read nor write what is remembered of hosts in the SSM parameters /cerveza/hosts/NAME'
complete -c ec2-launch -s 1 -d 'Write names, one a line, of all hosts, those that failed too: the short form of --output names'
complete -c ec2-launch -l no-progress -d 'Show no progress bar (there is none anyway where stderr is not a terminal)'
complete -c ec2-launch -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-launch -s V -l version -d 'Print version'
