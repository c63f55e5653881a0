complete -c hostfmt -s D -l set -d 'Set a variable of the template, as in zone=example.com' -r
complete -c hostfmt -s g -l group-by -d 'Group hosts by this field, as in zone or tags.role' -r
complete -c hostfmt -l address -d 'Field with the address, as in public_ip or ipv6' -r
complete -c hostfmt -s w -l write -d 'Write to this file instead of stdout' -r -F
complete -c hostfmt -l show -d 'Print the template of a format, as a start for your own' -r
complete -c hostfmt -l skip -d 'Leave out hosts that are refused, and exit with 3'
complete -c hostfmt -s l -l list -d 'List the formats with their settings'
complete -c hostfmt -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hostfmt -s V -l version -d 'Print version'
