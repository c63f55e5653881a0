complete -c mkuserdata -s w -l write -d 'Write the user-data to FILE instead of stdout' -r -F
complete -c mkuserdata -l set -d 'Set the value of a name in templates, as in tags.role=db' -r
complete -c mkuserdata -l merge -d 'Set how cloud-init merges cloud-configs, as in `append`' -r
complete -c mkuserdata -l launch-index -d 'Limit parts to the instance of this number in its launch' -r
complete -c mkuserdata -l boundary -d 'Write plain MIME with this boundary between the parts' -r
complete -c mkuserdata -l limit -d 'Largest size in bytes, before base64' -r
complete -c mkuserdata -l extract -d 'Like --list, and write the parts to files in DIR' -r -F
complete -c mkuserdata -l schema -d 'With --check, validate cloud-configs against a JSON schema' -r -F
complete -c mkuserdata -s o -l output -d 'Output format' -r -f -a "auto\t'`json` in a pipe or file; on a terminal a table (pssh-rs, ec2-run: lines; hostrange: names)'
json\t'JSON lines: one record per line'
names\t'One name per line'
table\t'Aligned columns with headers'
csv\t'As in RFC 4180, with \\n at the end of lines'
tsv\t'Tabs between columns; tab, newline, return and backslash are \\t, \\n, \\r and \\\\, as in PostgreSQL\'s COPY'"
complete -c mkuserdata -l columns -d 'Columns of a table, csv or tsv, as in host,tags.role' -r
complete -c mkuserdata -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t'Always use colours'
never\t'Never use colours'"
complete -c mkuserdata -l sort -d 'Sort by these keys, as in zone,-launch_time' -r
complete -c mkuserdata -l per-host -d 'Build user-data for each host whose name or record is on stdin'
complete -c mkuserdata -l size -d 'Write how many bytes each part takes, not the user-data'
complete -c mkuserdata -l force -d 'Turn errors into warnings; with --extract, overwrite files'
complete -c mkuserdata -l fast -d 'Compress a hundred times faster, to some 5% more bytes'
complete -c mkuserdata -l keep-names -d 'Do not put numbers before the names of scripts'
complete -c mkuserdata -l base64 -d 'Write the user-data in base64, as the EC2 API takes it'
complete -c mkuserdata -l no-gzip -d 'Write plain MIME, not compressed'
complete -c mkuserdata -l list -d 'List the parts of existing user-data, and what is wrong'
complete -c mkuserdata -l check -d 'Like --list, and exit with 1 if anything is wrong'
complete -c mkuserdata -s 1 -d 'Write the names of all hosts, one per line (same as -o names)'
complete -c mkuserdata -l no-header -d 'Write no header line'
complete -c mkuserdata -l no-progress -d 'Show no progress bar'
complete -c mkuserdata -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mkuserdata -s V -l version -d 'Print version'
