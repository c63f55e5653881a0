#!/bin/bash
# Installs what the load balancer asks whether this replica may be read from: port 9104, by socket activation.
set -euo pipefail
exec > >(logger -s -t health-setup) 2>&1

log() { echo "$(date -u +%T) $*"; }

cat >/usr/local/sbin/health-answer <<'ANSWER'
#!/bin/bash
# One request on stdin, one answer on stdout. 200: takes reads. 429: too far behind or too busy. 503: leave me alone.
read -r -t 5 method path _ || exit 0
while read -r -t 5 header && [[ $header != $'\r' ]]; do :; done

answer() {
    local text="$2"$'\n'
    printf 'HTTP/1.0 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s' "$1" ${#text} "$text"
    exit 0
}

[[ $method == GET || $method == HEAD ]] || answer '405 Method Not Allowed' 'only GET is answered'
[[ $path != /live ]] || answer '200 OK' 'the machine is up'
[[ ! -e /run/maintenance ]] || answer '503 Service Unavailable' "maintenance: $(head -c 200 /run/maintenance)"

status=$(timeout 4 mysql --defaults-file=/etc/mysql/metrics.cnf -N -e '
    SELECT @@super_read_only, COALESCE(MAX(TIMESTAMPDIFF(SECOND, LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP,
           NOW())), 0), (SELECT VARIABLE_VALUE FROM performance_schema.global_status
           WHERE VARIABLE_NAME = "Threads_running")
    FROM performance_schema.replication_applier_status_by_worker' 2>&1) ||
    answer '503 Service Unavailable' "MySQL does not answer: ${status:0:120}"
read -r read_only lag running <<<"$status"
((lag <= 30)) || answer '429 Too Many Requests' "the replica is $lag seconds behind"
((running <= 4 * $(nproc))) || answer '429 Too Many Requests' "$running threads are running"
used=$(df --output=pcent /srv/mysql | tr -dc 0-9)
((used < 95)) || answer '503 Service Unavailable' "the data volume is $used % full"
answer '200 OK' "read_only=$read_only lag=$lag running=$running disk=$used%"
ANSWER
chmod 755 /usr/local/sbin/health-answer

cat >/etc/systemd/system/health.socket <<'UNIT'
[Socket]
ListenStream=9104
Accept=yes
MaxConnections=32

[Install]
WantedBy=sockets.target
UNIT
cat >/etc/systemd/system/health@.service <<'UNIT'
[Unit]
Description=Answer to a health check
CollectMode=inactive-or-failed

[Service]
ExecStart=/usr/local/sbin/health-answer
StandardInput=socket
StandardError=journal
TimeoutSec=10s
LogLevelMax=warning
UNIT
systemctl daemon-reload
systemctl enable --now health.socket
log "first answer: $(curl -s -m 10 http://localhost:9104/ || echo none)"
