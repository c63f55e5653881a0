complete -c ec2-run -s w -l hosts -d 'Hosts, as in \'web[1-3]\'; without it, stdin has the hosts' -r
complete -c ec2-run -s x -l exclude -d 'Leave out these hosts, as in \'web3\' or \'@down\'' -r
complete -c ec2-run -l script -d 'Send a local script, run it and remove it; COMMAND is its arguments' -r -F
complete -c ec2-run -l user -d 'Run as this user instead of root' -r
complete -c ec2-run -l env -d 'Set an environment variable of the command' -r
complete -c ec2-run -l chdir -d 'Run the command in this folder' -r
complete -c ec2-run -l shell -d 'What runs the command' -r -f -a "sh\t'sh, on Linux'
powershell\t'PowerShell, on Windows'"
complete -c ec2-run -s t -l timeout -d 'Time limit for each host, as in 90 or 5m' -r
complete -c ec2-run -l deadline -d 'Time limit for the whole run' -r
complete -c ec2-run -l wait -d 'Wait this long for hosts whose agent is not online' -r
complete -c ec2-run -l delivery-timeout -d 'Time limit for the agent to fetch the command' -r
complete -c ec2-run -l api-timeout -d 'Give up on hosts if SSM does not answer for this time' -r
complete -c ec2-run -s f -l fanout -d 'Number of hosts at a time' -r
complete -c ec2-run -l batch -d 'Run in batches, as in 1,10%,50%; stop if one fails' -r
complete -c ec2-run -l max-fail -d 'Start no more hosts once more than this many have failed' -r
complete -c ec2-run -l max-unreachable -d 'Like --max-fail, for hosts that were not reached [default: no limit]' -r
complete -c ec2-run -s r -l region -d 'Regions, separated by commas, or `all`' -r
complete -c ec2-run -l account -d 'AWS profiles of the accounts to work in' -r
complete -c ec2-run -l connect-timeout -d 'Time limit for each connection to AWS' -r
complete -c ec2-run -s o -l output -d 'Output format' -r -f -a "auto\t'`json` in a pipe or file; on a terminal a table (pssh-rs, ec2-run: lines; hostrange: names)'
json\t'JSON lines: one record per line'
names\t'One name per line'
table\t'Aligned columns with headers'
csv\t'As in RFC 4180, with \\n at the end of lines'
tsv\t'Tabs between columns; tab, newline, return and backslash are \\t, \\n, \\r and \\\\, as in PostgreSQL\'s COPY'"
complete -c ec2-run -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t'Always use colours'
never\t'Never use colours'"
complete -c ec2-run -l output-bucket -d 'Get complete output through this bucket of S3' -r
complete -c ec2-run -l max-output -d 'Limit on each host\'s stdout and on its stderr, as in 64K or 4M' -r
complete -c ec2-run -l outdir -d 'Write outputs to DIR/HOST.out and DIR/HOST.err' -r -F
complete -c ec2-run -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c ec2-run -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c ec2-run -l resume -d 'Collect the results of commands that an earlier run has sent'
complete -c ec2-run -l serial -d 'One host at a time, in order; stop at the first failure'
complete -c ec2-run -l dry-run -d 'Show what would run where; send nothing'
complete -c ec2-run -s v -l verbose -d 'Show on stderr the id of each command'
complete -c ec2-run -s 1 -d 'Write the names of all hosts, one per line (same as -o names)'
complete -c ec2-run -l no-header -d 'Write no header line'
complete -c ec2-run -l keep -d 'Leave the outputs in the bucket'
complete -c ec2-run -s b -l group -d 'Show equal output once, with the hosts that printed it'
complete -c ec2-run -l diff -d 'Like --group, and show how other outputs differ from the most common one'
complete -c ec2-run -l ordered -d 'Show hosts in the order of the input'
complete -c ec2-run -l lines -d 'Write each line as `host: text`, also to a pipe'
complete -c ec2-run -l raw -d 'Do not escape control characters on the terminal'
complete -c ec2-run -l no-progress -d 'Show no progress bar'
complete -c ec2-run -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ec2-run -s V -l version -d 'Print version'
