complete -c pssh-rs -s w -l hosts -d 'Hosts, as in \'web[1-3]\' or \'n[1-2][01-10],db1!n105\' (hostrange(1) has the language); may be given again; `-` reads names and records from stdin, as does no -w at all. A name may be written user@host, host:port or [address]:port' -r
complete -c pssh-rs -s x -l exclude -d 'Leave out these hosts, as in \'web3\' or \'@down\'; may be given again. A host with a user or port is left out by its name alone, too' -r
complete -c pssh-rs -l script -d 'Upload this script over the same connection, run it with the words of the command as its arguments, and remove it' -r -F
complete -c pssh-rs -l run -d 'Run the scripts of this machine that each record names in this field, such as startup_scripts (ec2-launch sets it), in order, until one fails' -r
complete -c pssh-rs -l stdin -d 'Give this file to the command\'s standard input, on every host; `-` is our own standard input. A pipe is read once, up to 1 GiB, into a temporary file' -r -F
complete -c pssh-rs -l push -d 'Before anything is run, copy a file or folder of this machine to a path on every host; may be given again. Mode and time are kept, files are replaced as a whole, and what is there already is not sent' -r
complete -c pssh-rs -l pull -d 'After all was run, copy a file or folder, wildcards too, from every host to FOLDER/HOST; may be given again [default folder: pulled]' -r
complete -c pssh-rs -l sudo -d 'Run it with sudo(8), as root or as USER. Where a sudo wants a password it is asked for, once' -r
complete -c pssh-rs -l env -d 'Set a variable for the command; may be given again' -r
complete -c pssh-rs -l chdir -d 'Run the command in this folder' -r
complete -c pssh-rs -s l -l user -d 'Log in as this user where a host has none of its own [default: ssh_config\'s User, else who runs pssh-rs]' -r
complete -c pssh-rs -s p -l port -d 'Connect to this port where a host has none of its own [default: ssh_config\'s Port, else 22]' -r
complete -c pssh-rs -s i -l identity -d 'Log in with this private key file, before the agent\'s keys; may be given again, or as a list separated by colons [default: ssh_config\'s IdentityFile, else the usual files in ~/.ssh, after the agent\'s keys]' -r -F
complete -c pssh-rs -s F -l ssh-config -d 'Read this instead of ~/.ssh/config and /etc/ssh/ssh_config; `none` reads none' -r -F
complete -c pssh-rs -l ssh-option -d 'Set an option of ssh_config(5), as ssh -o does; may be given again' -r
complete -c pssh-rs -s J -l jump -d 'Connect through this host, or through a list of them separated by commas; one connection to it carries all' -r
complete -c pssh-rs -l address -d 'Connect to the address in this field of the record, such as public_ip or host; a record that lacks it is `unreachable` [default: private_ip, else public_ip, else host]' -r
complete -c pssh-rs -l engine -d 'What speaks SSH' -r -f -a "libssh2\t'pssh-rs itself, by libssh2'
openssh\t'The system\'s ssh(1), a process a host: for FIDO keys without an agent, GSSAPI, PKCS#11 and servers of old'"
complete -c pssh-rs -l host-key -d 'What to do about host keys [default: ssh_config\'s StrictHostKeyChecking, else strict]' -r -f -a "strict\t'Refuse a host whose key is not known'
accept-new\t'Trust the key of a host seen for the first time, and keep it; refuse one that changed'
off\t'Trust any key: whoever answers gets the command'"
complete -c pssh-rs -l known-hosts -d 'Read host keys from this file; may be given again, or as a list separated by colons; accept-new adds to the first [default: ssh_config\'s UserKnownHostsFile and GlobalKnownHostsFile]' -r -F
complete -c pssh-rs -s t -l timeout -d 'Give what is done on a host this long, in seconds or as in 5m; where it takes longer the command is ended and the host is a `timeout` [default: as long as it takes]' -r
complete -c pssh-rs -l connect-timeout -d 'Give looking up a host, connecting to it and the SSH handshake this long each [default: ssh_config\'s ConnectTimeout, else 10]' -r
complete -c pssh-rs -l auth-timeout -d 'Give logging in this long' -r
complete -c pssh-rs -l wait -d 'Wait this long, from a host\'s first attempt, for the host to let us in: a host that refuses the connection, does not answer or rejects the login, as one that is still booting does, is tried again [default: do not wait]' -r
complete -c pssh-rs -l deadline -d 'Give the whole run this long: then commands are ended, and hosts not yet tried are `skipped`' -r
complete -c pssh-rs -s f -l fanout -d 'Run on at most this many hosts at a time; hosts that do not answer do not count' -r
complete -c pssh-rs -l batch -d 'Go in batches of these sizes, numbers of hosts or parts of all; the last size goes on. A batch begins when the one before is done, one of its hosts was reached, and not more than --max-fail have failed' -r
complete -c pssh-rs -l max-fail -d 'Begin no more hosts once more than this many, or this part of all, have failed; the others are `skipped` [default: 0 with --batch or --serial]' -r
complete -c pssh-rs -l max-unreachable -d 'The same for hosts that were not reached' -r
complete -c pssh-rs -s o -l output -d 'Output format' -r -f -a "auto\t''
json\t''
names\t''
table\t''
csv\t'As RFC 4180 has it, with \\n at the end of lines'
tsv\t'With \\t, \\n, \\r and \\\\ for those characters, as PostgreSQL\'s COPY and mysql --batch write them'"
complete -c pssh-rs -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c pssh-rs -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t''
never\t''"
complete -c pssh-rs -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c pssh-rs -l max-output -d 'Keep this much of each host\'s stdout and stderr, in bytes or as in 64K or 4M: half of it from the beginning and half from the end. A record where something was left out is `truncated`' -r
complete -c pssh-rs -l outdir -d 'Write what hosts print to DIR/HOST.out and DIR/HOST.err as well, as it comes and all of it. DIR is made if need be' -r -F
complete -c pssh-rs -l tty -d 'Give the command a terminal, which some ask for; its stderr then comes out as stdout, and lines end as terminals end them'
complete -c pssh-rs -l serial -d 'One host after the other, in order; ends with the first that fails'
complete -c pssh-rs -l dry-run -d 'Write what would be run where, as records with a `plan`, and connect to nothing'
complete -c pssh-rs -s v -l verbose -d 'Write to stderr what is tried on each host up to its login: address, algorithms, host key, and each login key with the server\'s answer'
complete -c pssh-rs -s 1 -d 'Write names, one a line, also of hosts that failed (same as -o names)'
complete -c pssh-rs -l no-header -d 'Write no header line'
complete -c pssh-rs -s b -l group -d 'At the end, write what each host printed once for all hosts where it was the same, under a line that names them. This is text for people, on a terminal and in a pipe'
complete -c pssh-rs -l diff -d 'As --group, but only what most hosts printed in full, and how that of the others differs from it'
complete -c pssh-rs -l ordered -d 'Write hosts in the order of the input: each as soon as it and all before it are done'
complete -c pssh-rs -l lines -d 'Write lines also to a pipe or file, each as it comes: `host: text`, as dshbak(1) and awk(1) read them'
complete -c pssh-rs -l raw -d 'Let the output of hosts to the terminal as it is. Without this, control characters are shown as escapes, such as \\u{1b}'
complete -c pssh-rs -l no-progress -d 'Show no progress bar'
complete -c pssh-rs -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pssh-rs -s V -l version -d 'Print version'
