complete -c pssh-rs -s w -l hosts -d 'Hosts, as in \'web[1-3]\' or \'n[1-2][01-10],db1!n105\' (hostrange(1) has the language); may be given again; `-` reads names and records from stdin, as does no -w at all. A name may be written user@host' -r
complete -c pssh-rs -s l -l user -d 'Log in as this user [default: who runs pssh-rs]' -r
complete -c pssh-rs -s p -l port -d 'Connect to this port' -r
complete -c pssh-rs -s i -l identity -d 'Log in with this private key file, before the agent\'s keys; may be given again, or as a list separated by colons [default: ~/.ssh/id_ed25519, id_ecdsa and id_rsa, after the agent\'s keys]' -r -F
complete -c pssh-rs -s f -l fanout -d 'Run on at most this many hosts at a time' -r
complete -c pssh-rs -s t -l timeout -d 'Give the command this long on each host, in seconds or as in 5m; a host where it takes longer is a `timeout` [default: as long as it takes]' -r
complete -c pssh-rs -l connect-timeout -d 'Give looking up a host, connecting to it and the SSH handshake this long each' -r
complete -c pssh-rs -l address -d 'Connect to the address in this field of the record, such as public_ip or host; a record that lacks it is `unreachable` [default: private_ip, else public_ip, else host]' -r
complete -c pssh-rs -l host-key -d 'What to do about host keys' -r -f -a "strict\t'Refuse a host whose key is not known'
accept-new\t'Trust the key of a host seen for the first time, and keep it; refuse one that changed'
off\t'Trust any key: whoever answers gets the command'"
complete -c pssh-rs -l known-hosts -d 'Read host keys from this file; may be given again, or as a list separated by colons; accept-new adds to the first [default: ~/.ssh/known_hosts and known_hosts2, /etc/ssh/ssh_known_hosts and ssh_known_hosts2]' -r -F
complete -c pssh-rs -s o -l output -d 'How to write the results: JSON lines, names (one a line) or a table. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''"
complete -c pssh-rs -l dry-run -d 'Write what would be run where, as records with a `plan`, and connect to nothing'
complete -c pssh-rs -s 1 -d 'Write names, one a line, of all hosts, those that failed too: the short form of --output names'
complete -c pssh-rs -l no-progress -d 'Show no progress bar (there is none anyway where stderr is not a terminal)'
complete -c pssh-rs -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pssh-rs -s V -l version -d 'Print version'
