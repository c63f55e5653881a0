#!/bin/sh
# Installs cerveza from this folder: programs, man pages and completions. No compiler is needed.
#
# usage: ./install.sh [--uninstall] [PREFIX]     PREFIX is /usr/local by default
set -eu

action=install
if [ "${1-}" = --uninstall ]; then
    action=uninstall
    shift
fi
prefix=${1-/usr/local}
case $#$prefix in
    [01]/*) ;;
    [01] | [01]-*) echo 'usage: ./install.sh [--uninstall] [PREFIX]' >&2; exit 2 ;;
    [01]*) prefix=$PWD/$prefix ;;
    *) echo 'usage: ./install.sh [--uninstall] [PREFIX]' >&2; exit 2 ;;
esac
while [ "${prefix%/}" != "$prefix" ]; do prefix=${prefix%/}; done
[ -n "$prefix" ] || prefix=/
cd "$(dirname "$0")"
if [ "$prefix" -ef . ]; then
    echo 'install.sh: this is the folder of the archive: choose another PREFIX' >&2
    exit 2
fi

# Files and links. tar replaces a program that runs, and leaves the modes of existing folders as they are.
files() {
    find bin libexec share ! -type d
}

# `man -k` finds a page once it is in the index, which is made only of folders where man looks.
index_pages() {
    case ":$(manpath -q 2>/dev/null):" in
        *":$prefix/share/man:"*) mandb --quiet || true ;;
    esac
}

# fish looks below /usr/local only if XDG_DATA_DIRS says so, but always in /etc/fish.
fish_links() {
    [ "$prefix" != /usr/local ] || for file in share/fish/vendor_completions.d/*; do echo "/etc/fish/completions/${file##*/}"; done
}

if [ "$action" = install ]; then
    mkdir -p "$prefix"
    files | tar -cf - -T - | (cd "$prefix" && tar -xof -) || {
        echo "install.sh: $prefix has only a part of cerveza; run this again, or with --uninstall" >&2
        exit 1
    }
    fish_links | while IFS= read -r link; do
        [ -e "$link" ] || { mkdir -p "${link%/*}" && ln -sf "$prefix/share/fish/vendor_completions.d/${link##*/}" "$link"; } || break
    done
    index_pages
    echo "installed in $prefix; to begin, read: man cerveza"
else
    files | while IFS= read -r file; do rm -f "$prefix/$file"; done
    fish_links | while IFS= read -r link; do
        case $(readlink "$link" || true) in "$prefix"/*) rm -f "$link" ;; esac
    done
    rmdir "$prefix/libexec/cerveza" 2>/dev/null || true
    index_pages
    echo "removed from $prefix"
fi
