complete -c mkuserdata -s w -l write -d 'Write to FILE instead of stdout: in a moment, so that no one ever reads a half' -r -F
complete -c mkuserdata -s o -l output -d 'How to write the results: JSON lines, names (one a line) or a table. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''"
complete -c mkuserdata -l per-host -d 'Read names and records of hosts from stdin, and write each as a record with its user-data, in base64, under `user_data`'
complete -c mkuserdata -l no-gzip -d 'Write plain MIME, not compressed'
complete -c mkuserdata -s 1 -d 'Write names, one a line, of all hosts, those that failed too: the short form of --output names'
complete -c mkuserdata -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mkuserdata -s V -l version -d 'Print version'
