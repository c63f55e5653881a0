complete -c ec2-launch -s p -l profile -d 'The profile to launch by: a name, looked for as NAME.yaml, or a file. Without it hosts are only started' -r
complete -c ec2-launch -s z -l zone -d 'The availability zone to launch in; it names the region too' -r
complete -c ec2-launch -s r -l region -d 'The region to look and launch in. Without it the zone\'s, else that of the AWS configuration' -r
complete -c ec2-launch -s t -l tag -d 'A tag for the hosts that are launched; may be given several times' -r
complete -c ec2-launch -l timeout -d 'How long to wait at the most: seconds, or with a unit (10m)' -r
complete -c ec2-launch -s o -l output -d 'How to write the results: JSON lines, names (one a line) or a table. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''"
complete -c ec2-launch -s w -l wait -d 'Wait until every host runs: the default'
complete -c ec2-launch -l no-wait -d 'Do not wait until the hosts run'
complete -c ec2-launch -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ec2-launch -s 1 -d 'Write names, one a line, of all hosts, those that failed too: the short form of --output names'
complete -c ec2-launch -l no-progress -d 'Show no progress bar (there is none anyway where stderr is not a terminal)'
complete -c ec2-launch -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-launch -s V -l version -d 'Print version'
