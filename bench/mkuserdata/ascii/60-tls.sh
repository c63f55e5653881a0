#!/bin/bash
# A certificate for this host from the internal authority, and a timer that renews it at two thirds of its life.
set -euo pipefail
exec > >(logger -s -t tls-setup) 2>&1

log() { echo "$(date -u +%T) $*"; }
die() { log "ERROR: $*"; exit 1; }

install -d -m 750 -g ssl-cert /etc/ssl/host
cat >/usr/local/sbin/tls-renew <<'RENEW'
#!/bin/bash
set -euo pipefail
here=/etc/ssl/host
authority=https://ca.corp.example.net/1.0/sign
name=$(hostname -f)

if [[ -s $here/cert.pem ]] && openssl x509 -in $here/cert.pem -noout -checkend $((10 * 86400)) >/dev/null; then
    exit 0
fi
umask 027
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $here/key.new
openssl req -new -key $here/key.new -subj "/CN=$name" -addext "subjectAltName=DNS:$name,DNS:${name%%.*}" -out $here/csr
# The instance proves who it is by its signed identity document.
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
proof=$(curl -sf -H "X-aws-ec2-metadata-token: $token" \
    http://169.254.169.254/latest/dynamic/instance-identity/rsa2048 | tr -d '\n')
jq -n --rawfile csr $here/csr --arg proof "$proof" '{csr: $csr, proof: $proof, notAfter: "720h"}' |
    curl -sf --retry 5 --retry-all-errors -m 30 --cacert /etc/ssl/certs/corp-root.pem \
        -H 'Content-Type: application/json' --data-binary @- "$authority" |
    jq -re '.crt + .ca' >$here/cert.new
openssl verify -CAfile /etc/ssl/certs/corp-root.pem -untrusted $here/cert.new $here/cert.new >/dev/null
chgrp ssl-cert $here/*.new
mv $here/key.new $here/key.pem
mv $here/cert.new $here/cert.pem
rm -f $here/csr
systemctl try-reload-or-restart rsyslog.service
mysqladmin --defaults-file=/root/.my.cnf --silent ping && mysql -e 'ALTER INSTANCE RELOAD TLS' || true
RENEW
chmod 755 /usr/local/sbin/tls-renew

for ((tries = 1; tries <= 6; tries++)); do
    /usr/local/sbin/tls-renew && break
    ((tries < 6)) || die 'no certificate after six tries'
    log "no certificate yet; again in $((tries * 10)) seconds"
    sleep $((tries * 10))
done
printf '%d %d * * * root /usr/local/sbin/tls-renew\n' $((RANDOM % 60)) $((RANDOM % 24)) >/etc/cron.d/tls-renew
log "certificate: $(openssl x509 -in /etc/ssl/host/cert.pem -noout -subject -enddate | paste -sd ' ')"
