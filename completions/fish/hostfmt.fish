complete -c hostfmt -s D -l set -d 'Give the template a name whose value is the text VALUE, such as zone=example.com' -r
complete -c hostfmt -s g -l group-by -d 'Group hosts by the value of this field, such as zone or tags.role. A host is in a group for each value of a list' -r
complete -c hostfmt -l address -d 'Use the address in this field, such as public_ip or ipv6; a host that lacks it cannot be written [default: private_ip, else public_ip, else ipv6, else host]' -r
complete -c hostfmt -s w -l write -d 'Write to FILE instead of stdout. It is replaced as a whole, and only if all went well' -r -F
complete -c hostfmt -l show -d 'Print the template of a format, to begin one of your own with' -r
complete -c hostfmt -l skip -d 'Leave out hosts that cannot be written, and exit with status 3. Without it nothing is written if there is one'
complete -c hostfmt -s l -l list -d 'List the formats with their settings'
complete -c hostfmt -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hostfmt -s V -l version -d 'Print version'
