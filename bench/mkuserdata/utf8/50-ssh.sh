#!/bin/bash
# Was sshd wem anbietet. Erst prüft es sshd -t: Ein Fehler würde alle aussperren.
set -euo pipefail
exec > >(logger -s -t ssh-setup) 2>&1

log() { echo "$(date -u +%T) $*"; }
die() { log "FEHLER: $*"; exit 1; }

conf=/etc/ssh/sshd_config.d/10-site.conf
saved=$(mktemp)
[[ ! -e $conf ]] || cp "$conf" "$saved"

cat >"$conf" <<'CONF'
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthenticationMethods publickey
AllowGroups sudo deploy
MaxAuthTries 4
LoginGraceTime 20
MaxStartups 20:30:100
ClientAliveInterval 120
ClientAliveCountMax 3
X11Forwarding no
AllowAgentForwarding no
KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256
HostKeyAlgorithms ssh-ed25519,rsa-sha2-512
Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com
MACs hmac-sha2-512-etm@openssh.com
LogLevel VERBOSE
Match Group deploy
    AllowTcpForwarding no
    PermitTTY no
    ForceCommand /usr/local/sbin/deploy-receive
CONF

if ! message=$(sshd -t 2>&1); then
    if [[ -s $saved ]]; then mv "$saved" "$conf"; else rm "$conf"; fi
    die "sshd lehnt die Konfiguration ab, die alte bleibt gültig: $message"
fi
systemctl reload ssh.service
rm -f "$saved" /etc/ssh/ssh_host_ecdsa_key*
# Die Inventur liest die Schlüssel aus der Ausgabe der Konsole: »console output«.
for key in /etc/ssh/ssh_host_*_key.pub; do
    ssh-keygen -l -f "$key" >/dev/console
done
