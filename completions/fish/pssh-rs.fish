complete -c pssh-rs -s w -l hosts -d 'Hosts, as in \'web[1-3]\' [default: read them from stdin]' -r
complete -c pssh-rs -s x -l exclude -d 'Leave out these hosts, as in \'web3\', or \'@down\' for a node group' -r
complete -c pssh-rs -l script -d 'Upload and run a local script; COMMAND is its arguments' -r -F
complete -c pssh-rs -l run -d 'Run the local scripts that each record lists in FIELD' -r
complete -c pssh-rs -l stdin -d 'Send a file to the command\'s standard input on each host' -r -F
complete -c pssh-rs -l push -d 'Copy a file or folder to each host before anything runs' -r
complete -c pssh-rs -l pull -d 'Copy files from each host to FOLDER/HOST after the command' -r
complete -c pssh-rs -l sudo -d 'Run with sudo(8), as root or as USER' -r
complete -c pssh-rs -l env -d 'Set an environment variable for the command' -r
complete -c pssh-rs -l chdir -d 'Run the command in this folder of the host' -r
complete -c pssh-rs -s l -l user -d 'User to log in as' -r
complete -c pssh-rs -s p -l port -d 'Port to connect to' -r
complete -c pssh-rs -s i -l identity -d 'Private key file to log in with' -r -F
complete -c pssh-rs -s F -l ssh-config -d 'Read this file instead of ~/.ssh/config and /etc/ssh/ssh_config' -r -F
complete -c pssh-rs -l ssh-option -d 'Set an option of ssh_config(5), like `ssh -o`' -r
complete -c pssh-rs -s J -l jump -d 'Connect through this host, like `ssh -J`' -r
complete -c pssh-rs -l address -d 'Field of the record with the address to connect to' -r
complete -c pssh-rs -l engine -d 'SSH implementation: built-in, or the ssh program' -r -f -a "libssh2\t'Built into pssh-rs, with libssh2'
openssh\t'The system\'s ssh(1), one process for each host: for FIDO keys without an agent, GSSAPI, PKCS#11 and very old servers'"
complete -c pssh-rs -l host-key -d 'Which unknown host keys to accept' -r -f -a "strict\t'Refuse a host whose key is not known'
accept-new\t'Accept and store the key of a new host; refuse a key that changed'
off\t'Accept any key: anyone in the network can pose as the host'"
complete -c pssh-rs -l known-hosts -d 'Files with known host keys' -r -F
complete -c pssh-rs -s t -l timeout -d 'Time limit for each host, as in 90 or 5m' -r
complete -c pssh-rs -l connect-timeout -d 'Time limit for each of DNS, TCP connection and SSH handshake' -r
complete -c pssh-rs -l auth-timeout -d 'Time limit for the login' -r
complete -c pssh-rs -l wait -d 'Keep trying to reach each host for this time' -r
complete -c pssh-rs -l deadline -d 'Time limit for the whole run' -r
complete -c pssh-rs -s f -l fanout -d 'Number of hosts at a time' -r
complete -c pssh-rs -l batch -d 'Run in batches, as in 1,10%,50%; stop if one fails' -r
complete -c pssh-rs -l max-fail -d 'Start no more hosts once more than this many have failed' -r
complete -c pssh-rs -l max-unreachable -d 'Like --max-fail, for hosts that were not reached [default: no limit]' -r
complete -c pssh-rs -s o -l output -d 'Output format' -r -f -a "auto\t'`json` in a pipe or file; on a terminal a table (pssh-rs, ec2-run: lines; hostrange: names)'
json\t'JSON lines: one record per line'
names\t'One name per line'
table\t'Aligned columns with headers'
csv\t'As in RFC 4180, with \\n at the end of lines'
tsv\t'Tabs between columns; tab, newline, return and backslash are \\t, \\n, \\r and \\\\, as in PostgreSQL\'s COPY'"
complete -c pssh-rs -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t'Always use colours'
never\t'Never use colours'"
complete -c pssh-rs -l max-output -d 'Limit on each host\'s stdout and on its stderr, as in 64K or 4M' -r
complete -c pssh-rs -l outdir -d 'Write outputs to DIR/HOST.out and DIR/HOST.err' -r -F
complete -c pssh-rs -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c pssh-rs -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c pssh-rs -l tty -d 'Allocate a terminal, like `ssh -t`'
complete -c pssh-rs -l serial -d 'One host at a time, in order; stop at the first failure'
complete -c pssh-rs -l dry-run -d 'Show what would run on which host, without connecting'
complete -c pssh-rs -s v -l verbose -d 'Show on stderr how each host is reached and logged in to'
complete -c pssh-rs -l no-header -d 'Write no header line'
complete -c pssh-rs -s b -l group -d 'Show equal output once, with the hosts that printed it'
complete -c pssh-rs -l diff -d 'Like --group, and show how other outputs differ from the most common one'
complete -c pssh-rs -l ordered -d 'Show hosts in the order of the input'
complete -c pssh-rs -l lines -d 'Write each line as `host: text`, also to a pipe'
complete -c pssh-rs -l raw -d 'Do not escape control characters on the terminal'
complete -c pssh-rs -l no-progress -d 'Show no progress bar'
complete -c pssh-rs -s 1 -d 'Write the names of all hosts, also of failed ones (same as -o names)'
complete -c pssh-rs -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pssh-rs -s V -l version -d 'Print version'
