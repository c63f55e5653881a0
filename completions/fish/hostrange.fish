complete -c hostrange -s o -l output -d 'How to write the results: JSON lines, names (one a line) or a table. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''"
complete -c hostrange -s f -l fold -d 'Fold the names into one expression'
complete -c hostrange -s 1 -d 'Write names, one a line, of all hosts, those that failed too: the short form of --output names'
complete -c hostrange -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hostrange -s V -l version -d 'Print version'
