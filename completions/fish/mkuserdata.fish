complete -c mkuserdata -l set -d 'Give templates a name whose value is the text VALUE, over what a host\'s record has. A dot leads into an object: --set tags.role=db' -r
complete -c mkuserdata -l merge -d 'How cloud-init is to merge each cloud-config with those before it (X-Merge-Type): as in \'list(append)+dict(recurse_list)+str()\'; `append`, to append lists and merge mappings, stands for \'list(append)+dict(no_replace,recurse_list)+str()\'' -r
complete -c mkuserdata -l launch-index -d 'For the instance of this number in its launch alone (Launch-Index): all parts, or one given as PART=NUMBER' -r
complete -c mkuserdata -s w -l write -d 'Write to FILE instead of stdout. It appears whole or not at all' -r -F
complete -c mkuserdata -l boundary -d 'Write plain MIME with this boundary between the parts' -r
complete -c mkuserdata -l limit -d 'The most bytes it may have, before base64' -r
complete -c mkuserdata -l schema -d 'With --check, validate cloud-configs against cloud-init\'s own JSON schema: schema-cloud-config-v1.json, or `auto` for the one of the cloud-init that is installed here' -r -F
complete -c mkuserdata -l extract -d 'The same as --list, and write the parts to files in DIR, of records to a folder a host' -r -F
complete -c mkuserdata -s o -l output -d 'How to write the results: JSON lines, names (one a line), a table, or csv or tsv with a header line. `auto` is JSON lines in a pipe or file, and on a terminal what suits the tool, mostly a table' -r -f -a "auto\t''
json\t''
names\t''
table\t''
csv\t'As RFC 4180 has it, with \\n at the end of lines'
tsv\t'With \\t, \\n, \\r and \\\\ for those characters, as PostgreSQL\'s COPY and mysql --batch write them'"
complete -c mkuserdata -l columns -d 'Write these columns, separated by commas, in a table, csv or tsv: keys of the records, as in host,tags.role,zone, and `age`, the time since the launch. Without --output it is a table' -r
complete -c mkuserdata -l color -d 'Whether to use colours' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set, CLICOLOR is 0 or TERM is dumb'
always\t''
never\t''"
complete -c mkuserdata -l sort -d 'Sort by these keys of the records, separated by commas, as in zone,-launch_time: numbers by value, names as people count (web2 before web10), `-` for descending. A host without the key comes last' -r
complete -c mkuserdata -l per-host -d 'Read names and records of hosts from stdin, and write each as a record with its user-data, in base64, under `user_data`. Templates are rendered for each'
complete -c mkuserdata -l keep-names -d 'Leave the names of scripts as they are. Without it they get numbers in front where cloud-init, which runs them sorted by name, would not run them in the order given and before `runcmd`'
complete -c mkuserdata -l force -d 'Only warn where cloud-init would do what nobody expects. With --extract, write over files that are there'
complete -c mkuserdata -l base64 -d 'Write the user-data in base64, as the API takes it'
complete -c mkuserdata -l no-gzip -d 'Write plain MIME, not compressed'
complete -c mkuserdata -l fast -d 'Compress in a hundredth of the time, mostly to some 5% more bytes: for thousands of hosts whose user-data varies much. What would then not fit is compressed the other way'
complete -c mkuserdata -l size -d 'Write what each part costs of the user-data, the dearest first, in place of it (beside --write, to stdout)'
complete -c mkuserdata -l list -d 'List the parts of existing user-data in FILE or on stdin, and say what is wrong with it: plain or gzip, one part or MIME, or in the records of `ec2-ls --user-data`'
complete -c mkuserdata -l check -d 'The same, and exit with 1 if anything is wrong'
complete -c mkuserdata -l no-progress -d 'Show no progress bar (there is none anyway where stderr is not a terminal)'
complete -c mkuserdata -s 1 -d 'Write names, one a line, of all hosts, those that failed too: the short form of --output names'
complete -c mkuserdata -l no-header -d 'Write no header line'
complete -c mkuserdata -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mkuserdata -s V -l version -d 'Print version'
