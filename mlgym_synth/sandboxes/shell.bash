# Sourced by a session for every command, so that `return` in its trap ends the command and not the shell.
builtin eval "$__mlgym_command"
