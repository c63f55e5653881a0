# Completes the options and values of pssh-rs. The tool itself prints the words that fit.
complete --command pssh-rs --no-files --keep-order --arguments "(env CERVEZA_COMPLETE=fish (commandline --tokenize --cut-at-cursor --current-process)[1] -- (commandline --tokenize --cut-at-cursor --current-process) (commandline --cut-at-cursor --current-token) 2>/dev/null)"
