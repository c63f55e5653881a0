complete -c hostrange -l by -d 'Group the hosts by a field of their records, such as zone, tags.role or status: a line a value with the hosts folded, or with --count how many they are. Hosts without the field are in the last line, after `-`' -r
complete -c hostrange -l groups -d 'List the node groups of SOURCE, `*` for all sources [default: the default source]. With EXPR, list those that have any of these hosts. With --fold, show the hosts of each group, with --count how many they are' -r
complete -c hostrange -l regroup -d 'Fold the hosts into node groups of SOURCE where they are a whole group, and all others into names [default: the default source]' -r
complete -c hostrange -l axis -d 'Fold along these numbers of a name only: counted from 1, or with a minus from the end. As in 2, 1-2 or -1' -r
complete -c hostrange -l autostep -d 'Fold numbers in even steps, as in [0-10/2], where at least N are in a row' -r
complete -c hostrange -l nth -d 'Take the hosts at these places, in the order of the set: 0 is the first, -1 the last, 10-19 ten of them, 5- all from the sixth; several are separated by commas. Places beyond the end are empty' -r
complete -c hostrange -l index -d 'Print the place of NAME, counted from 0; with exit status 1 where it is not in the set' -r
complete -c hostrange -l contains -d 'Print nothing; the exit status is 0 if all hosts of EXPR are in the set, 1 if not, and 2 where that cannot be told' -r
complete -c hostrange -l pick -d 'Take N hosts at random, in the order of the set' -r
complete -c hostrange -l seed -d 'Make --pick take the same hosts for the same seed' -r
complete -c hostrange -l split -d 'Cut the hosts, in order, into N parts whose sizes differ by one at the most: a line a part, and a key "split" in records. Fewer hosts make fewer parts' -r
complete -c hostrange -s x -l exclude -d 'Leave out the hosts of EXPR, as ! does. -x, -i and -X may be repeated, and apply to all arguments in the order given' -r
complete -c hostrange -s i -l intersect -d 'Keep only hosts that are also of EXPR, as & does. -x, -i and -X may be repeated, and apply to all arguments in the order given' -r
complete -c hostrange -s X -l xor -d 'Take hosts that are of one side alone, as ^ does. -x, -i and -X may be repeated, and apply to all arguments in the order given' -r
complete -c hostrange -s s -l separator -d 'Write names with SEP between them, in place of a line each. \\n, \\t and \\0 are understood: \\0 ends each name, for xargs -0' -r
complete -c hostrange -l max -d 'Refuse to write more than N hosts. Without it there is no bound in a pipe or file, and 100000 on a terminal or in a table' -r
complete -c hostrange -s o -l output -d 'How to write the results: JSON lines, names (one a line), a table, or csv or tsv with a header line. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''
csv\t'As RFC 4180 has it, with \\n at the end of lines'
tsv\t'With \\t, \\n, \\r and \\\\ for those characters, as PostgreSQL\'s COPY and mysql --batch write them'"
complete -c hostrange -l columns -d 'Write these columns, separated by commas, in a table, csv or tsv: keys of the records, as in host,tags.role,zone, and `age`, the time since the launch. Without --output it is a table' -r
complete -c hostrange -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t''
never\t''"
complete -c hostrange -s e -l expand -d 'Write names on one line, with blanks between them: the short form of -s \' \''
complete -c hostrange -s f -l fold -d 'Fold the hosts into one expression'
complete -c hostrange -s c -l count -d 'Print how many hosts there are'
complete -c hostrange -l sort -d 'Sort the hosts: numbers by value, web2 before web10'
complete -c hostrange -l keep-duplicates -d 'Keep hosts that are given more than once'
complete -c hostrange -l fail-empty -d 'Exit with status 1 where no host is left'
complete -c hostrange -l no-header -d 'Write no header line'
complete -c hostrange -s 1 -d 'Write names, one a line, also in a pipe: the short form of --output names'
complete -c hostrange -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hostrange -s V -l version -d 'Print version'
