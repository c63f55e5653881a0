# Completes the options and values of ec2-launch. The tool itself prints the words that fit.
complete --command ec2-launch --no-files --keep-order --arguments "(env CERVEZA_COMPLETE=fish (commandline --tokenize --cut-at-cursor --current-process)[1] -- (commandline --tokenize --cut-at-cursor --current-process) (commandline --cut-at-cursor --current-token) 2>/dev/null)"
