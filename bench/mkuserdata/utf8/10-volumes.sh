#!/bin/bash
# Sucht die Datenträger, formatiert die leeren und hängt alle über ihre UUID ein. Ein Datenträger, auf dem etwas
# liegt, wird nie formatiert: Eine Ersatzmaschine übernimmt die Volumes ihrer Vorgängerin samt Daten.
set -euo pipefail
exec > >(logger -s -t volumes) 2>&1

log() { echo "$(date -u +%T) $*"; }
die() { log "FEHLER: $*"; exit 1; }

# Gerät, Bezeichnung, Einhängepunkt, Optionen, Eigentümer
volumes=(
    'sdf mysql-data   /srv/mysql         noatime,nodiscard,logbsize=256k  mysql:mysql'
    'sdg mysql-binlog /srv/mysql/binlog  noatime,nodiscard                mysql:mysql'
    'sdh backup       /srv/backup        noatime,nofail                   root:root'
)

# Bis ein angehängtes Volume erscheint, vergeht schon einmal eine Minute.
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
    # blkid allein genügt nicht: Über ein unbekanntes Dateisystem schweigt es.
    [[ -z $(blkid -p -o value -s TYPE "$device" || true) ]] || return 1
    [[ $(lsblk -n -o NAME "$device" | wc -l) == 1 ]] || return 1
    cmp -s -n $((4 << 20)) "$device" /dev/zero
}

mount_volume() {
    local name=$1 label=$2 point=$3 options=$4 owner=$5
    local device=/dev/$name uuid

    if mountpoint -q "$point"; then
        log "$point ist bereits eingehängt"
        return
    fi
    if ! wait_for "$device"; then
        if [[ $options == *nofail* ]]; then
            log "WARNUNG: $device fehlt; weiter ohne $point"
            return
        fi
        die "nach zwei Minuten noch kein $device für $point: Ist das Volume angehängt?"
    fi
    if is_empty "$device"; then
        log "$device wird als $label formatiert"
        mkfs.xfs -q -L "${label:0:12}" -m reflink=1,bigtime=1 "$device"
    else
        log "$device enthält Daten und bleibt, wie es ist"
        xfs_repair -n "$device" >/dev/null 2>&1 || log "WARNUNG: xfs_repair würde auf $device etwas ändern"
    fi

    uuid=$(blkid -o value -s UUID "$device") || die "$device hat keine UUID"
    mkdir -p "$point"
    # Was hier landet, solange nichts eingehängt ist, wäre später verdeckt.
    chattr +i "$point" 2>/dev/null || true
    if ! grep -q "^UUID=$uuid[[:space:]]" /etc/fstab; then
        printf 'UUID=%s %s xfs %s 0 2\n' "$uuid" "$point" "$options" >>/etc/fstab
    fi
    systemctl daemon-reload
    mount "$point" || die "$point lässt sich nicht einhängen: $(dmesg | tail -n 3)"
    if getent passwd "${owner%%:*}" >/dev/null; then
        chown "$owner" "$point"
    fi
    # Der Snapshot kann von einem kleineren Volume stammen.
    xfs_growfs "$point" >/dev/null
    log "$point: $(df -h --output=size,used "$point" | tail -n 1)"
}

for volume in "${volumes[@]}"; do
    read -r name label point options owner <<<"$volume"
    mount_volume "$name" "$label" "$point" "$options" "$owner"
done

# Lokaler Speicher, sofern vorhanden, dient nur temporären Tabellen: Nach dem Anhalten ist er gelöscht.
mapfile -t local_disks < <(lsblk -d -n -p -o NAME,MODEL | awk '/Instance Storage/ { print $1 }')
case ${#local_disks[@]} in
    0) log 'kein lokaler Speicher' ;;
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
