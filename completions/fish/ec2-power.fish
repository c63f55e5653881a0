complete -c ec2-power -l timeout -d 'How long to wait without any progress: seconds, or with a unit (10m)' -r
complete -c ec2-power -s r -l region -d 'Regions to work in, separated by commas, or `all` for every region the account has enabled. Without it the region of the AWS configuration (AWS_REGION, or the profile\'s)' -r
complete -c ec2-power -s z -l zone -d 'Change only hosts in this availability zone; a host in another zone is an error. The zone names the region too' -r
complete -c ec2-power -s o -l output -d 'How to write the results: JSON lines, names (one a line) or a table. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''"
complete -c ec2-power -s w -l wait -d 'Wait until the instances are running, stopped or terminated (after a reboot: running)'
complete -c ec2-power -l release-addresses -d 'Release the elastic IP addresses that carry the names of the terminated hosts; waits until they are terminated. Without it the addresses are kept for the next launch'
complete -c ec2-power -s y -l yes -d 'Terminate without asking'
complete -c ec2-power -s n -l dry-run -d 'Show what would be done, and do nothing'
complete -c ec2-power -s 1 -d 'Write names, one a line, of all hosts, those that failed too: the short form of --output names'
complete -c ec2-power -l no-progress -d 'Show no progress bar (there is none anyway where stderr is not a terminal)'
complete -c ec2-power -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-power -s V -l version -d 'Print version'
