#!/bin/sh
# Stands in for the commands that the boot script asks: answers from a table of devices, a line for each, with | between
# NAME SERIAL MAPPED PARENT LSBLK_TYPE BLKID_TYPE USAGE UUID PTTYPE MOUNTPOINT OTHER
# OTHER: `data` for content without a signature, `ambiguous`, `unreadable`, `wipefs` or `lsblk` for a signature that only
# that command finds. What would change something fails.
for last; do :; done
get() { awk -F'|' -v name="$last" -v field="$1" '$1 == name { print $field }' "$FAKE/devices"; }
case "${0##*/} $*" in
'lsblk -dnpo NAME') awk -F'|' '$5 == "disk" { print $1 }' "$FAKE/devices" ;;
'lsblk -dnpP -o NAME,SERIAL') awk -F'|' '$5 == "disk" { printf "NAME=\"%s\" SERIAL=\"%s\"\n", $1, $2 }' "$FAKE/devices" ;;
'lsblk -dno SERIAL '*) get 2 ;;
'lsblk -dno TYPE '*) get 5 ;;
'lsblk -dnro MOUNTPOINT '*) get 10 ;;
'lsblk -nrpo NAME,TYPE '*)
    awk -F'|' -v name="$last" '$1 == name || index(" " $4 " ", " " name " ") { print $1, $5 }' "$FAKE/devices" ;;
'lsblk -nrpo NAME,FSTYPE,MOUNTPOINT '*)
    awk -F'|' -v name="$last" '
        $1 == name || index(" " $4 " ", " " name " ") { print $1, ($11 == "lsblk" ? "swap" : $6), $10 }' "$FAKE/devices" ;;
'blkid -p -o export '*)
    case $(get 11) in
    ambiguous) exit 8 ;;
    unreadable) exit 4 ;;
    esac
    [ "$(get 6)$(get 9)" ] || exit 2
    echo "DEVNAME=$last"
    [ -z "$(get 6)" ] || printf '%s\n' "UUID=$(get 8)" "TYPE=$(get 6)" "USAGE=$(get 7)"
    [ -z "$(get 9)" ] || printf '%s\n' "PTUUID=1" "PTTYPE=$(get 9)"
    ;;
'wipefs -n '*) [ "$(get 11)" != wipefs ] || echo "0x1fe gpt" ;;
'blockdev --getsz '*) echo 4096 ;;
dd\ *)
    device=${1#if=}
    last=$device
    [ "$(get 11)" != data ] || echo data
    head -c 1048576 /dev/zero
    ;;
'findmnt -nro SOURCE -M '*)
    awk -F'|' -v at="$last" '$10 && $10 == at { print $1; found = 1 } END { exit !found }' "$FAKE/devices" ;;
python3\ *) awk -F'|' '$1 ~ /nvme/ && $3 { print $1, $3 }' "$FAKE/devices" ;;
'pvs --noheadings -o vg_name '*)
    shift 3
    for last; do get 11 | grep '^vg:' | sed 's/ .*//; s/^vg:/  /'; done ;;
'vgs --noheadings -o vg_missing_pv_count '*) awk -F'|' -v group="vg:$last" '
    index($11, group) == 1 { missing = ($11 ~ / missing$/) } END { print "  " missing + 0 }' "$FAKE/devices" ;;
'lvs --noheadings -o lv_path '*) awk -F'|' -v group="/dev/$last/" 'index($1, group) == 1 { print "  " $1 }' "$FAKE/devices" ;;
*)
    echo "$(basename "$0") $*" >>"$FAKE/changed"
    exit 1
    ;;
esac
