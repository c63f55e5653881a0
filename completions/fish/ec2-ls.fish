complete -c ec2-ls -s s -l state -d 'Instances in these states, separated by commas: pending, running, stopping, stopped, shutting-down, terminated, or all. Without it all but shutting-down and terminated' -r -f -a "pending\t''
running\t''
stopping\t''
stopped\t''
shutting-down\t''
terminated\t''
all\t''"
complete -c ec2-ls -s r -l region -d 'Regions to work in, separated by commas, or `all` for every region the account has enabled. Without it the region of the AWS configuration (AWS_REGION, or the profile\'s)' -r
complete -c ec2-ls -s o -l output -d 'How to write the results: JSON lines, names (one a line) or a table. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''"
complete -c ec2-ls -l user-data -d 'Ask also for the user-data of each instance, and write it, in base64, under `user_data`. It may hold secrets; a table shows its size alone'
complete -c ec2-ls -l fail-empty -d 'Exit with 1 when nothing is found'
complete -c ec2-ls -s 1 -d 'Write names, one a line, of all hosts, those that failed too: the short form of --output names'
complete -c ec2-ls -l no-progress -d 'Show no progress bar (there is none anyway where stderr is not a terminal)'
complete -c ec2-ls -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-ls -s V -l version -d 'Print version'
