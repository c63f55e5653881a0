#!/bin/bash
# Finds the data volumes, formats those that are empty, and mounts them by UUID. A volume with anything on it is
# never formatted: a machine that replaces another gets its volumes with the data.
set -euo pipefail
exec > >(logger -s -t volumes) 2>&1

log() { echo "$(date -u +%T) $*"; }
die() { log "ERROR: $*"; exit 1; }

# device, label, mount point, options, owner
volumes=(
    'sdf mysql-data   /srv/mysql         noatime,nodiscard,logbsize=256k  mysql:mysql'
    'sdg mysql-binlog /srv/mysql/binlog  noatime,nodiscard                mysql:mysql'
    'sdh backup       /srv/backup        noatime,nofail                   root:root'
)

# An attached volume may take a minute to show up.
wait_for() {
    local device=$1 tries
    for ((tries = 0; tries < 60; tries++)); do
        [[ -b $device ]] && return 0
        sleep 2
        udevadm settle --timeout=5 || true
    done
    return 1
}

is_empty() {
    local device=$1
    # blkid alone is not enough: it says nothing of a file system that it does not know.
    [[ -z $(blkid -p -o value -s TYPE "$device" || true) ]] || return 1
    [[ $(lsblk -n -o NAME "$device" | wc -l) == 1 ]] || return 1
    cmp -s -n $((4 << 20)) "$device" /dev/zero
}

mount_volume() {
    local name=$1 label=$2 point=$3 options=$4 owner=$5
    local device=/dev/$name uuid

    if mountpoint -q "$point"; then
        log "$point is mounted already"
        return
    fi
    if ! wait_for "$device"; then
        if [[ $options == *nofail* ]]; then
            log "WARNING: no $device; going on without $point"
            return
        fi
        die "no $device for $point after two minutes: is the volume attached?"
    fi
    if is_empty "$device"; then
        log "formatting $device as $label"
        mkfs.xfs -q -L "${label:0:12}" -m reflink=1,bigtime=1 "$device"
    else
        log "$device has data: it is kept"
        xfs_repair -n "$device" >/dev/null 2>&1 || log "WARNING: xfs_repair would change something on $device"
    fi

    uuid=$(blkid -o value -s UUID "$device") || die "no UUID on $device"
    mkdir -p "$point"
    # What is written while nothing is mounted would be hidden later.
    chattr +i "$point" 2>/dev/null || true
    if ! grep -q "^UUID=$uuid[[:space:]]" /etc/fstab; then
        printf 'UUID=%s %s xfs %s 0 2\n' "$uuid" "$point" "$options" >>/etc/fstab
    fi
    systemctl daemon-reload
    mount "$point" || die "cannot mount $point: $(dmesg | tail -n 3)"
    if getent passwd "${owner%%:*}" >/dev/null; then
        chown "$owner" "$point"
    fi
    # The snapshot may be of a smaller volume.
    xfs_growfs "$point" >/dev/null
    log "$point: $(df -h --output=size,used "$point" | tail -n 1)"
}

for volume in "${volumes[@]}"; do
    read -r name label point options owner <<<"$volume"
    mount_volume "$name" "$label" "$point" "$options" "$owner"
done

# Instance storage, where the type has any, is for temporary tables only: it is gone after a stop.
mapfile -t local_disks < <(lsblk -d -n -p -o NAME,MODEL | awk '/Instance Storage/ { print $1 }')
case ${#local_disks[@]} in
    0) log 'no instance storage' ;;
    1) scratch=${local_disks[0]} ;;
    *)
        scratch=/dev/md0
        [[ -b $scratch ]] || mdadm --create --run --quiet "$scratch" --level=0 --chunk=256 \
            --raid-devices=${#local_disks[@]} "${local_disks[@]}"
        ;;
esac
if [[ -n ${scratch:-} ]] && ! mountpoint -q /srv/mysql/tmp; then
    mkfs.xfs -q -f -K "$scratch"
    install -d /srv/mysql/tmp
    mount -o noatime,discard "$scratch" /srv/mysql/tmp
fi
install -d -o mysql -g mysql -m 750 /srv/mysql/data /srv/mysql/tmp /srv/mysql/binlog
