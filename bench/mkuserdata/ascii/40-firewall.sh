#!/bin/bash
# The packet filter. Security groups do the same from outside; this holds where somebody opens one by mistake.
set -euo pipefail

bastions='10.20.0.10, 10.20.1.10'
applications='10.20.16.0/20'
databases='10.20.32.0/22'
monitoring='10.20.4.0/24'

new=$(mktemp)
trap 'rm -f "$new"' EXIT
cat >"$new" <<RULES
#!/usr/sbin/nft -f
flush ruleset

table inet filter {
    set bastions { type ipv4_addr; elements = { $bastions } }
    set clients { type ipv4_addr; flags interval; elements = { $applications, $databases } }
    set monitoring { type ipv4_addr; flags interval; elements = { $monitoring } }
    # Who tries too many connections to SSH waits ten minutes.
    set knockers { type ipv4_addr; flags dynamic, timeout; timeout 10m; size 4096; }

    chain input {
        type filter hook input priority filter; policy drop;
        ct state vmap { established : accept, related : accept, invalid : drop }
        iif lo accept
        meta l4proto icmp icmp type { echo-request, destination-unreachable, time-exceeded } limit rate 20/second accept
        meta l4proto ipv6-icmp accept
        udp sport 67 udp dport 68 accept

        ip saddr @knockers drop
        tcp dport 22 ip saddr @bastions accept
        tcp dport 22 ct state new limit rate over 3/minute add @knockers { ip saddr } drop
        tcp dport 3306 ip saddr @clients accept
        tcp dport 3306 ip saddr @bastions ct count over 10 reject with tcp reset
        tcp dport { 9100, 9104 } ip saddr @monitoring accept
        limit rate 5/minute burst 10 packets log prefix "nft drop: " level info
        counter comment "dropped"
    }

    chain output {
        type filter hook output priority filter; policy accept;
        # Instance metadata is for root and chrony alone: a web application must not read the role's keys.
        ip daddr 169.254.169.254 meta skuid != { root, _chrony } counter reject with icmp type admin-prohibited
    }

    chain forward {
        type filter hook forward priority filter; policy drop;
    }
}
RULES

nft --check --file "$new" || { echo 'firewall: the rules are not valid; the old ones stay' >&2; exit 1; }
install -m 700 "$new" /etc/nftables.conf
systemctl enable nftables.service
# A way back: who locks themselves out gets in again after two minutes.
systemd-run --quiet --on-active=2min --unit=firewall-undo nft flush ruleset
systemctl restart nftables.service
if curl -sf -m 10 -o /dev/null https://packages.corp.example.net/health; then
    systemctl stop firewall-undo.timer
else
    echo 'firewall: no way out with the new rules; they go in two minutes' >&2
    exit 1
fi
