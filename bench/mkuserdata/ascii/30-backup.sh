#!/bin/bash
# Installs the nightly backup: a snapshot by XtraBackup, streamed to S3, and a weekly test that it can be restored.
set -euo pipefail
exec > >(logger -s -t backup-setup) 2>&1

log() { echo "$(date -u +%T) $*"; }

install -d -m 700 /var/lib/backup /etc/backup
cat >/etc/backup/settings <<'SETTINGS'
BUCKET=corp-mysql-backups
PREFIX=$(hostname -s)
KEEP_DAYS=35
THREADS=2
# Bytes a second, so that the replica keeps up while it is read.
LIMIT=120m
SETTINGS

cat >/usr/local/sbin/backup-run <<'RUN'
#!/bin/bash
set -euo pipefail
. /etc/backup/settings

exec 9>/run/backup.lock
flock -n 9 || { echo 'another backup is running' >&2; exit 75; }

started=$(date +%s)
name=$PREFIX/$(date -u +%Y/%m/%d-%H%M).xb.zst
work=$(mktemp -d /var/tmp/backup.XXXXXX)
trap 'rm -rf "$work"' EXIT

# Only of a replica: the source has better things to do, and a replica far behind would give an old state.
lag=$(mysql -N -e '
    SELECT COALESCE(MAX(TIMESTAMPDIFF(SECOND, LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, NOW())), -1)
    FROM performance_schema.replication_applier_status_by_worker')
if ((lag < 0)); then
    echo 'this is no replica: nothing to back up' && exit 0
elif ((lag > 1800)); then
    echo "the replica is $lag seconds behind: no backup" >&2 && exit 1
fi

xtrabackup --backup --stream=xbstream --target-dir="$work" --parallel="$THREADS" --slave-info \
    --lock-ddl --kill-long-queries-timeout=40 2>"$work/log" |
    pv --quiet --rate-limit "$LIMIT" |
    zstd -q -3 -T"$THREADS" |
    tee >(sha256sum | cut -d ' ' -f 1 >"$work/sum") >(wc -c >"$work/bytes") |
    aws s3 cp --only-show-errors --expected-size $((400 << 30)) --storage-class STANDARD_IA - "s3://$BUCKET/$name"

if ! grep -q 'completed OK!$' "$work/log"; then
    tail -n 20 "$work/log" >&2
    aws s3 rm --only-show-errors "s3://$BUCKET/$name"
    exit 1
fi
# The process substitutions may still be at it.
for ((i = 0; i < 20; i++)); do [[ -s $work/sum && -s $work/bytes ]] && break; sleep 0.5; done

jq -n --arg name "$name" --arg sum "$(<"$work/sum")" --argjson bytes "$(<"$work/bytes")" \
    --argjson started "$started" \
    '{name: $name, sha256: $sum, bytes: $bytes, started: $started, finished: now | floor}' >/var/lib/backup/new.json
mv /var/lib/backup/new.json /var/lib/backup/last.json
aws s3 cp --only-show-errors /var/lib/backup/last.json "s3://$BUCKET/$PREFIX/latest.json"

# The bucket has a rule as well; this one knows which backups are the only one of their month.
cutoff=$(date -u -d "-$KEEP_DAYS days" +%Y/%m/%d)
aws s3api list-objects-v2 --bucket "$BUCKET" --prefix "$PREFIX/2" --query 'Contents[].Key' --output json |
    jq -r --arg cutoff "$PREFIX/$cutoff" '
        map(select(endswith(".xb.zst"))) | sort | group_by(split("/")[:3]) | map(.[1:]) | add // []
        | .[] | select(. < $cutoff)' |
    while read -r old; do aws s3 rm --only-show-errors "s3://$BUCKET/$old"; done
RUN

cat >/usr/local/sbin/backup-test <<'TEST'
#!/bin/bash
# Restores the latest backup into a directory of its own and lets a mysqld without network check every table.
set -euo pipefail
. /etc/backup/settings
here=/srv/backup/restore
rm -rf "$here" && install -d -o mysql -g mysql "$here"
name=$(aws s3 cp --only-show-errors "s3://$BUCKET/$PREFIX/latest.json" - | jq -r .name)
aws s3 cp --only-show-errors "s3://$BUCKET/$name" - | zstd -dq | xbstream -x -C "$here" --parallel="$THREADS"
xtrabackup --prepare --target-dir="$here" --use-memory=1G 2>"$here/prepare.log"
chown -R mysql: "$here"
mysqld --user=mysql --datadir="$here" --socket="$here/sock" --skip-networking --mysqlx=OFF --pid-file="$here/pid" \
    --log-error="$here/error.log" --super-read-only=OFF --skip-replica-start --daemonize
trap 'mysqladmin --socket="$here/sock" shutdown; rm -rf "$here"' EXIT
mysqlcheck --socket="$here/sock" --all-databases --check --medium-check --silent
echo "$name can be restored"
TEST
chmod 755 /usr/local/sbin/backup-run /usr/local/sbin/backup-test

for job in run test; do
    case $job in
        run) calendar='*-*-* 02:10:00' limit=6h ;;
        test) calendar='Sun *-*-* 09:00:00' limit=12h ;;
    esac
    cat >/etc/systemd/system/backup-$job.service <<UNIT
[Unit]
Description=Backup of MySQL to S3: $job
After=mysql.service network-online.target
OnFailure=alert@%n.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/backup-$job
TimeoutStartSec=$limit
IOSchedulingClass=idle
CPUWeight=20
MemoryMax=2G
UNIT
    cat >/etc/systemd/system/backup-$job.timer <<UNIT
[Timer]
OnCalendar=$calendar
RandomizedDelaySec=40min
Persistent=true

[Install]
WantedBy=timers.target
UNIT
done
systemctl daemon-reload
systemctl enable --now backup-run.timer backup-test.timer
log 'next backup:' "$(systemctl show -P NextElapseUSecRealtime backup-run.timer)"
