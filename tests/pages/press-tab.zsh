#!/usr/bin/env -S zsh -f
# Types each line of stdin into an interactive shell, presses Tab, and prints the line that the shell makes of it.
# The shell's prompt is "ready> ", and its key Ctrl-G prints the line between << and >> and removes it.
#
# usage: press-tab.zsh SHELL [ARGUMENT...]
zmodload zsh/zpty
zpty -b shell "${(@q)@}"
zpty -r shell answer '*ready> *'
while IFS= read -r line; do
    zpty -w -n shell $line$'\t\a'
    zpty -r shell answer '*<<*>>*'
    print -r -- ${${answer##*<<}%%>>*}
done
zpty -d shell
