#!/usr/bin/env bash
# Makes an account that is not root and may use sudo with its password, and prints its name and its password. The account
# lives until stdin ends: until the test that started this script is over, even if it was killed. If this script is killed
# too, the next one removes what it left. The password is random, so an account that is left opens nothing.
set -euo pipefail
umask 077
PATH=$PATH:/usr/sbin:/sbin
# Ctrl-C ends the test; this script then sees the end of stdin.
trap '' HUP INT QUIT TERM PIPE

((EUID == 0)) || {
    echo 'account.sh: only root can make an account' >&2
    exit 1
}
prefix=cerveza-test-
name=$prefix$$

remove() {
    rm -f "/etc/sudoers.d/$1" "/etc/sudoers.d/.$1"
    pkill -KILL -u "$1" || true
    userdel --force "$1"
}

# Scripts that run side by side change the machine's files one after another.
exec 9>/run/cerveza-test-accounts
flock --wait 60 9

for left in $(sed -n "s/^\($prefix[0-9]*\):.*/\1/p" /etc/passwd); do
    pid=${left#"$prefix"}
    if ((pid == $$)) || ! grep -qsaF account.sh "/proc/$pid/cmdline"; then
        remove "$left"
    fi
done

trap 'flock --wait 60 9 || true; remove "$name"' EXIT
password="correct horse $(</proc/sys/kernel/random/uuid)"
hash=$(openssl passwd -6 -stdin <<<"$password")
useradd --system --gid 65534 --home-dir / --no-create-home --no-log-init --shell /bin/sh --password "$hash" "$name"
# sudo ignores a file with a dot in its name, so it never reads half of this one.
printf '%s ALL=(ALL) ALL\nDefaults:%s lecture=never, timestamp_timeout=0, !rootpw, !runaspw, !targetpw\n' "$name" "$name" \
    >"/etc/sudoers.d/.$name"
chmod 440 "/etc/sudoers.d/.$name"
mv "/etc/sudoers.d/.$name" "/etc/sudoers.d/$name"
flock --unlock 9

printf '%s\n%s\n' "$name" "$password"
cat >/dev/null
