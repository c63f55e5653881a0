complete -c hostrange -s x -l exclude -d 'Remove the hosts of EXPR (like !)' -r
complete -c hostrange -s i -l intersect -d 'Keep only hosts that are also in EXPR (like &)' -r
complete -c hostrange -s X -l xor -d 'Keep hosts that are in exactly one of the set and EXPR (like ^)' -r
complete -c hostrange -l axis -d 'Fold only along these numbers of a name' -r
complete -c hostrange -l autostep -d 'Fold N or more evenly spaced numbers into a range with a step, such as [0-10/2]' -r
complete -c hostrange -s s -l separator -d 'Print the names separated by SEP instead of newlines' -r
complete -c hostrange -l by -d 'Print a line per value of a record field such as zone, with its hosts' -r
complete -c hostrange -l split -d 'Split the hosts, in order, into N parts of equal size' -r
complete -c hostrange -l nth -d 'Select hosts by position: 0 (first), -1 (last), 10-19, 5-' -r
complete -c hostrange -l pick -d 'Select N hosts at random, in the order of the set' -r
complete -c hostrange -l seed -d 'Make --pick select the same hosts for the same S' -r
complete -c hostrange -l contains -d 'Exit with 0 if the set has all hosts of EXPR, 1 if not; print nothing' -r
complete -c hostrange -l index -d 'Print the position of NAME, counted from 0; exit with 1 if it is missing' -r
complete -c hostrange -l max -d 'Write nothing and exit with 2 if there are more than N hosts' -r
complete -c hostrange -l groups -d 'List the node groups of SOURCE, of all (`*`), or of the default source' -r
complete -c hostrange -l regroup -d 'Like --fold, but write whole node groups of SOURCE as @GROUP' -r
complete -c hostrange -s o -l output -d 'Output format' -r -f -a "auto\t'`json` in a pipe or file; on a terminal a table (pssh-rs, ec2-run: lines; hostrange: names)'
json\t'JSON lines: one record per line'
names\t'One name per line'
table\t'Aligned columns with headers'
csv\t'As in RFC 4180, with \\n at the end of lines'
tsv\t'Tabs between columns; tab, newline, return and backslash are \\t, \\n, \\r and \\\\, as in PostgreSQL\'s COPY'"
complete -c hostrange -l columns -d 'Columns of a table, csv or tsv, separated by commas' -r
complete -c hostrange -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t'Always use colours'
never\t'Never use colours'"
complete -c hostrange -s f -l fold -d 'Print the hosts as one expression, such as web[1-3]'
complete -c hostrange -s c -l count -d 'Print the number of hosts'
complete -c hostrange -s e -l expand -d 'Print the names on one line, separated by spaces (same as -s \' \')'
complete -c hostrange -l sort -d 'Sort the hosts by name; numbers by value: web2 before web10'
complete -c hostrange -l keep-duplicates -d 'Keep hosts that are given more than once [default: each host once]'
complete -c hostrange -l fail-empty -d 'Exit with status 1 if no host is left'
complete -c hostrange -s 1 -d 'Print one name per line, also in a pipe (same as -o names)'
complete -c hostrange -l no-header -d 'Write no header line'
complete -c hostrange -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hostrange -s V -l version -d 'Print version'
