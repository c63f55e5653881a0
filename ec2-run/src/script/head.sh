# Runs a command with its output in two unlinked files, then prints one frame: exit status, sizes, and the output. A third
# file is written just before the command begins.
mask=$(umask)
umask 077
d=$(mktemp -d) && exec 3>"$d/o" 4>"$d/e" 5>"$d/b" && rm -r "$d" || exit
o=/proc/$$/fd/3 e=/proc/$$/fd/4 begun=/proc/$$/fd/5
f=
