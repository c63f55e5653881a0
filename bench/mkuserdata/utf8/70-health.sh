#!/bin/bash
# Instala el servicio al que el balanceador pregunta si esta réplica admite lecturas: puerto 9104, por activación.
set -euo pipefail
exec > >(logger -s -t health-setup) 2>&1

log() { echo "$(date -u +%T) $*"; }

cat >/usr/local/sbin/health-answer <<'ANSWER'
#!/bin/bash
# Una petición, una respuesta. 200: admite lecturas. 429: va con retraso o está saturada. 503: fuera de servicio.
read -r -t 5 method path _ || exit 0
while read -r -t 5 header && [[ $header != $'\r' ]]; do :; done

answer() {
    local text="$2"$'\n'
    printf 'HTTP/1.0 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s' "$1" $(printf %s "$text" | wc -c) "$text"
    exit 0
}

[[ $method == GET || $method == HEAD ]] || answer '405 Method Not Allowed' 'sólo se responde a GET'
[[ $path != /live ]] || answer '200 OK' 'la máquina está en marcha'
[[ ! -e /run/maintenance ]] || answer '503 Service Unavailable' "en mantenimiento: $(head -c 200 /run/maintenance)"

status=$(timeout 4 mysql --defaults-file=/etc/mysql/metrics.cnf -N -e '
    SELECT @@super_read_only, COALESCE(MAX(TIMESTAMPDIFF(SECOND, LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP,
           NOW())), 0), (SELECT VARIABLE_VALUE FROM performance_schema.global_status
           WHERE VARIABLE_NAME = "Threads_running")
    FROM performance_schema.replication_applier_status_by_worker' 2>&1) ||
    answer '503 Service Unavailable' "MySQL no responde: ${status:0:120}"
read -r read_only lag running <<<"$status"
((lag <= 30)) || answer '429 Too Many Requests' "la réplica lleva $lag segundos de retraso"
((running <= 4 * $(nproc))) || answer '429 Too Many Requests' "hay $running hilos en ejecución"
used=$(df --output=pcent /srv/mysql | tr -dc 0-9)
((used < 95)) || answer '503 Service Unavailable' "el volumen de datos está al $used %"
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
Description=Respuesta a una comprobación de salud
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
log "primera respuesta: $(curl -s -m 10 http://localhost:9104/ || echo none)"
