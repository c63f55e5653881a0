#!/bin/sh
# Assembles and mounts the volumes of this host. Made by ec2-launch; cloud-init runs it at every boot.
# With --dry-run it prints what it would do and changes nothing.
#
# A "set" is one disk of the host as its profile sees it: one volume, or several that form an array or a volume group.
# A "member" is one volume of a set.
#
# Only blank devices are formatted: no signature that blkid, wipefs or lsblk finds, and zeros in the first and the last
# MiB. A set is created only if all its members are there and blank. Everything else is mounted as it is, or left alone.
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 DEBIAN_FRONTEND=noninteractive
export PATH LC_ALL LVM_SUPPRESS_FD_WARNINGS DEBIAN_FRONTEND

# Tests set these: a folder that holds etc, and how many seconds to wait for volumes that are attached later.
root=${CERVEZA_ROOT-}
patience=${CERVEZA_PATIENCE-600}

# Which volume is behind which device name. NVMe disks change their order at every boot, their serials stay.
notes=$root/etc/cerveza/volumes
instance=$(cat "$root/var/lib/cloud/data/instance-id" 2>/dev/null) || instance=-
name=
dry=
case ${1-} in
'') ;;
--dry-run) dry=yes ;;
*)
    echo "usage: $0 [--dry-run]" >&2
    exit 2
    ;;
esac

say() { echo "volumes: ${name:+$name: }$*"; }

# Runs a command that changes something.
run() {
    if [ "$dry" ]; then
        say "would run: $*"
    else
        say "runs: $*"
        "$@" </dev/null || {
            say "failed: $1"
            return 1
        }
    fi
}

# Appends a line to a file under $root.
append() {
    if [ "$dry" ]; then
        say "would add to $1: $2"
    else
        mkdir -p "$root${1%/*}" && echo "$2" >>"$root$1" && say "added to $1: $2"
    fi
}

# need COMMAND PACKAGE: installs the package if the command is missing.
need() {
    command -v "$1" >/dev/null && return
    if command -v apt-get >/dev/null; then
        set -- "$1" apt-get -qy -o DPkg::Lock::Timeout=300 --no-install-recommends install "$2"
        [ "$dry" ] || apt-get -qy update </dev/null
    elif command -v dnf >/dev/null; then
        set -- "$1" dnf -qy install "$2"
    elif command -v yum >/dev/null; then
        set -- "$1" yum -qy install "$2"
    elif command -v zypper >/dev/null; then
        set -- "$1" zypper --non-interactive install "$2"
    elif command -v apk >/dev/null; then
        set -- "$1" apk add "$2"
    else
        say "there is no $1, and no known way to install $2"
        return 1
    fi
    needed=$1
    shift
    run "$@"
    [ "$dry" ] || command -v "$needed" >/dev/null || {
        say "there is no $needed: install it and run $0 again"
        return 1
    }
}

# Prints DISK and DEVICE for each EBS disk on NVMe: DEVICE is the name in the block device mapping, as sdf. EBS keeps it in
# the first vendor specific bytes of the identify controller data, where ebsnvme-id and nvme-cli's amzn plugin read it.
nvme_devices() {
    nvme=$(lsblk -dnpo NAME | grep '^/dev/nvme') || return 0
    python=python3
    command -v python3 >/dev/null || python=/usr/libexec/platform-python
    # shellcheck disable=SC2086 # one argument for each disk
    "$python" -c '
import ctypes, fcntl, struct, sys
for disk in sys.argv[1:]:
    data = ctypes.create_string_buffer(4096)
    command = struct.pack("=BBHIIIQQII6III", 6, 0, 0, 0, 0, 0, 0, ctypes.addressof(data), 0, 4096, 1, *[0] * 7)
    try:
        with open(disk) as file:
            fcntl.ioctl(file, 0xC0484E41, command)
    except OSError as error:
        print(disk, "cannot be identified:", error, file=sys.stderr)
        continue
    if data.raw[:2] == b"\x0f\x1d" and data.raw[24:64].startswith(b"Amazon Elastic Block Store"):
        device = data.raw[3072:3104].rstrip(b"\0 ").decode("ascii", "replace")
        print(disk, device[5:] if device.startswith("/dev/") else device)
' $nvme
}

# Prints the disk with this serial.
disk_by_serial() {
    lsblk -dnpP -o NAME,SERIAL | sed -n "s|^NAME=\"\(.*\)\" SERIAL=\"$1 *\"\$|\1|p"
}

# Prints the disk that is attached as this device, as /dev/sdf, on Xen: disks keep their names and have no serials there.
disk_on_xen() {
    for alias in "$1" "/dev/xvd${1#/dev/sd}"; do
        lsblk -dnpP -o NAME,SERIAL | sed -n "s|^NAME=\"\($alias\)\" SERIAL=\"\"\$|\1|p"
    done
}

# Prints the disk of a member: DEVICE, or DEVICE=SERIAL if ec2-launch knew the volume.
disk_of() {
    device=${1%%=*}
    serial=$(sed -n "s|^$instance $device ||p" "$notes" 2>/dev/null | tail -n 1)
    case $1 in
    *=*) : "${serial:=${1#*=}}" ;;
    esac
    if [ "$serial" ]; then
        found=$(disk_by_serial "$serial")
    else
        found=$(nvme_devices | sed -n "s|^\([^ ]*\) ${device#/dev/}\$|\1|p")
    fi
    echo "${found:-$(disk_on_xen "$device")}" | head -n 1
}

note_serial() {
    serial=$(lsblk -dno SERIAL "$2" | tr -d ' ')
    [ -z "$serial" ] || grep -qsxF "$instance ${1%%=*} $serial" "$notes" ||
        append /etc/cerveza/volumes "$instance ${1%%=*} $serial"
}

# Sets $disks to the disks of all members, in order. Waits for those that are attached after the start.
find_disks() {
    limit=$patience
    # Volumes that have been there before are attached before the instance boots.
    ! grep -qs "^$instance ${1%%=*} " "$notes" || [ "$limit" -lt 30 ] || limit=30
    while :; do
        disks='' missing=''
        for member; do
            disk=$(disk_of "$member")
            if [ "$disk" ]; then
                disks="$disks${disks:+ }$disk"
            else
                missing="$missing $member"
            fi
        done
        [ "$missing" ] || break
        if [ "$dry" ] || [ "$(date +%s)" -ge "$((begun + limit))" ]; then
            say "of $# volumes these are not there:$missing: the set is left alone; attach them and run $0 again" \
                "(the file /etc/cerveza/volumes says which volume was behind a device)"
            return 1
        fi
        sleep 2
    done
    for member; do
        note_serial "$member" "$(disk_of "$member")"
    done
}

# Sets $type, $usage, $id and $table to what blkid finds on a device; fails if it cannot tell.
probe() {
    report=$(blkid -p -o export "$1")
    case $? in
    0 | 2) ;;
    8) report=$(printf '%s\n' 'TYPE=several signatures' 'USAGE=ambiguous') ;;
    *)
        say "blkid cannot read $1"
        return 1
        ;;
    esac
    type=$(echo "$report" | sed -n 's/^TYPE=//p')
    usage=$(echo "$report" | sed -n 's/^USAGE=//p')
    id=$(echo "$report" | sed -n 's/^UUID=//p')
    table=$(echo "$report" | sed -n 's/^PTTYPE=//p')
}

# Succeeds if a device is blank; else says what is on it. After probe.
is_blank() {
    content=$(content_of "$1")
    [ -z "$content" ] || {
        say "$1 is not blank ($content): it is left as it is"
        return 1
    }
}

# Prints what is on a device, or nothing if it is blank. After probe.
content_of() {
    if [ "$type$table" ]; then
        echo "${type:-partition table $table}"
        return
    fi
    # What the system has found on it, and built on it.
    listing=$(lsblk -nrpo NAME,FSTYPE,MOUNTPOINT "$1") || listing='- lsblk cannot read it'
    listing=$(echo "$listing" | sed '1s/^[^ ]* *//' | tr -s '\n ' ' ' | sed 's/^ //; s/ $//')
    signatures=$(wipefs -n "$1") || signatures='wipefs cannot read it'
    if [ "$listing" ]; then
        echo "$listing"
    elif [ "$signatures" ]; then
        echo "$signatures" | tr -s '\n ' ' ' | sed 's/ $//'
    elif ! is_zero "$1" 0 || ! is_zero "$1" $(($(blockdev --getsz "$1") - 2048)); then
        echo 'data without a known signature'
    fi
}

# is_zero DEVICE SECTOR: whether a MiB can be read and has nothing but zeros.
is_zero() {
    # od prints one line of zeros, and a * for all that follow.
    [ "$(dd if="$1" bs=512 skip="$2" count=2048 2>/dev/null | od -An -tx1 | tr -d '0 \n')" = '*' ]
}

# survey TYPE: how many of $disks are of this type, as linux_raid_member, in $signed; their ids in $ids. Fails if one of
# them is neither that nor blank, or if only some are.
survey() {
    signed=0 ids='' count=0
    for disk in $disks; do
        count=$((count + 1))
        probe "$disk" || return 1
        if [ "$type" = "$1" ]; then
            signed=$((signed + 1))
            case " $ids " in
            *" $id "*) ;;
            *) ids="$ids${ids:+ }$id" ;;
            esac
        else
            is_blank "$disk" || return 1
        fi
    done
    [ "$signed" = 0 ] || [ "$signed" = "$count" ] || {
        say "$signed of $count disks ($disks) are $1, the others are blank: a part of a set is neither created nor mounted"
        return 1
    }
}

# Prints the active array that a disk is in.
array_of() {
    lsblk -nrpo NAME,TYPE "$1" | sed -n 's|^\([^ ]*\) raid.*|\1|p' | head -n 1
}

# Replaces $disks by the array that they form.
assemble_array() {
    need mdadm mdadm || return 1
    # udev may be assembling it.
    settle
    survey linux_raid_member || return 1
    if [ "$signed" = 0 ]; then
        # shellcheck disable=SC2086 # one argument for each disk
        run mdadm --create "/dev/md/$safe_name" --run --metadata=1.2 --homehost=any --name="$safe_name" \
            --uuid="$array_id" --level="$raid" --raid-devices="$count" $disks || return 1
        ids=$array_id created=yes
    else
        case $ids in
        *' '*)
            say "the disks $disks are of different arrays ($ids): they are left as they are"
            return 1
            ;;
        esac
        ids=$(echo "$ids" | sed 's/-//g; s/......../&:/g; s/:$//')
        if [ -z "$(array_of "${disks%% *}")" ]; then
            # shellcheck disable=SC2086
            run mdadm --assemble "/dev/md/$safe_name" --uuid="$ids" $disks || {
                say "the array $ids does not start: see mdadm --examine $disks"
                return 1
            }
        fi
    fi
    settle
    array=$(array_of "${disks%% *}")
    if [ "$array" ]; then
        lsblk -dno TYPE "$array" | grep -qx "raid$raid" || say "note: $array is not raid$raid, as the profile says"
    elif [ -z "$dry" ]; then
        say "the array $ids is not active: see mdadm --examine $disks"
        return 1
    fi
    disks=${array:-/dev/md/$safe_name}
    conf=/etc/mdadm.conf
    [ ! -d "$root/etc/mdadm" ] || conf=/etc/mdadm/mdadm.conf
    grep -qsi "uuid=$ids" "$root$conf" || {
        append "$conf" "ARRAY /dev/md/$safe_name metadata=1.2 UUID=$ids"
        ! command -v update-initramfs >/dev/null || run update-initramfs -u
    }
}

# Replaces $disks by the logical volume on them.
activate_volume() {
    need lvm lvm2 || return 1
    if [ "$created" ] && [ "$dry" ]; then
        signed=0
    else
        survey LVM2_member || return 1
    fi
    if [ "$signed" = 0 ]; then
        # shellcheck disable=SC2086
        run vgcreate "vg_$safe_name" $disks && create_volume
        return
    fi
    # Where LVM keeps a list of its devices, volumes that another instance made are not in it.
    [ ! -e "$root/etc/lvm/devices/system.devices" ] || for disk in $disks; do
        run lvmdevices --yes --adddev "$disk"
    done
    # shellcheck disable=SC2086
    group=$(pvs --noheadings -o vg_name $disks | tr -d ' ' | sort -u)
    case $group in
    '' | *"
"*)
        say "the disks $disks are not of one volume group (${group:-none}): they are left as they are"
        return 1
        ;;
    esac
    absent=$(vgs --noheadings -o vg_missing_pv_count "$group" | tr -d ' ')
    [ "$absent" = 0 ] || {
        say "$absent physical volumes of the volume group $group are missing: it is left as it is"
        return 1
    }
    run vgchange -ay "$group" || return 1
    settle
    volume=$(lvs --noheadings -o lv_path "$group" | tr -d ' ')
    case $group/$volume in
    "vg_$safe_name/")
        # The run that made the group was cut off.
        create_volume
        return
        ;;
    */ | *"
"*)
        say "the volume group $group has not exactly one logical volume: mount them by fstab"
        return 1
        ;;
    esac
    disks=$volume
}

create_volume() {
    run lvcreate -n "lv_$safe_name" -l 100%FREE "vg_$safe_name" || return 1
    settle
    disks=/dev/vg_$safe_name/lv_$safe_name created=yes
}

# Makes the file system on $disks if that is blank. Sets $type and $id to what is there then.
make_file_system() {
    if [ -z "$created" ] || [ -z "$dry" ]; then
        probe "$disks" || return 1
        if [ "$usage" = filesystem ] && [ -z "$table" ]; then
            [ "$type" = "${file_system:-$type}" ] || say "note: $disks holds $type, not $file_system: it is used as it is"
            return
        fi
        is_blank "$disks" || return 1
        [ "$file_system" ] || {
            say "$disks is blank, and the profile names no file system for it"
            return 1
        }
    fi
    case $file_system in
    xfs) package=xfsprogs ;;
    btrfs) package=btrfs-progs ;;
    *) package=e2fsprogs ;;
    esac
    need "mkfs.$file_system" $package && run "mkfs.$file_system" "$disks" || return 1
    if [ "$dry" ]; then
        type=$file_system id=NEW created=yes
    else
        probe "$disks"
    fi
}

# Waits until udev has made the names of new devices.
settle() {
    [ "$dry" ] || ! command -v udevadm >/dev/null || udevadm settle
}

mount_file_system() {
    mounted=$(lsblk -dnro MOUNTPOINT "$disks" 2>/dev/null)
    there=$(findmnt -nro SOURCE -M "$root$mount_point")
    if [ "$mounted" ] && [ "$mounted" != "$root$mount_point" ]; then
        say "$disks is mounted on $mounted, not on $mount_point: it is left there"
        return 1
    fi
    if [ "$there" ] && [ -z "$mounted" ]; then
        say "$there is mounted on $mount_point, not $disks: it is left there"
        return 1
    fi
    entry=$(awk -v at="$mount_point" '$1 !~ /^#/ && $2 == at { print; exit }' "$root/etc/fstab" 2>/dev/null)
    case $entry in
    "UUID=$id "* | "UUID=$id	"*)
        case $entry in
        *nofail*) ;;
        *) say "note: the entry of $mount_point in /etc/fstab has no nofail: a missing volume will stop the boot" ;;
        esac
        ;;
    '') append /etc/fstab "UUID=$id $mount_point $type $options,nofail,x-systemd.device-timeout=60s 0 2" ;;
    *)
        say "/etc/fstab has another file system for $mount_point (${entry%%[ 	]*}): remove that entry and run $0 again"
        return 1
        ;;
    esac
    if [ "$mounted" ]; then
        say "$disks is mounted on $mount_point"
    else
        [ -z "$(ls -A "$root$mount_point" 2>/dev/null)" ] ||
            say "note: $mount_point has files of its own, which the mount hides"
        [ -d "$root$mount_point" ] || run mkdir -p "$root$mount_point"
        [ "$dry" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload
        run mount -t "$type" -o "$options" "$disks" "$root$mount_point" || return 1
    fi
    # A file system that is in use keeps its owner: only one that is empty and root's is new.
    if [ "$created" ] || { [ -z "$dry" ] && is_untouched "$root$mount_point"; }; then
        [ -z "$owner" ] || run chown "$owner" "$root$mount_point" || return 1
        # SELinux knows a new file system as unlabeled.
        ! command -v restorecon >/dev/null || run restorecon "$root$mount_point"
    fi
}

# Whether a folder is root's and has nothing in it but lost+found.
is_untouched() {
    for file in "$1"/* "$1"/.[!.]*; do
        [ ! -e "$file" ] || [ "${file##*/}" = lost+found ] || return 1
    done
    [ "$(stat -c %u "$1")" = 0 ]
}

# Succeeds if the set is there at the end.
# volume_set NAME SAFE_NAME ARRAY_ID RAID LVM FILE_SYSTEM MOUNT_POINT OPTIONS OWNER MEMBER...
volume_set() (
    name=$1 safe_name=$2 array_id=$3 raid=$4 lvm=$5 file_system=$6 mount_point=$7 options=$8 owner=$9 created=''
    shift 9
    find_disks "$@" || return 1
    if [ "$raid" ]; then assemble_array || return 1; fi
    if [ "$lvm" ]; then activate_volume || return 1; fi
    if [ "$file_system$mount_point" ]; then make_file_system || return 1; fi
    if [ "$mount_point" ]; then mount_file_system || return 1; fi
    say "complete"
)

failed=0 begun=$(date +%s)
for tool in lsblk blkid wipefs findmnt blockdev flock; do
    need $tool util-linux || exit 1
done
if [ -z "$dry" ]; then
    # Two runs at once must not both find a disk blank.
    mkdir -p "$root/run"
    exec 9>"$root/run/cerveza-volumes.lock"
    flock 9
fi
