"""The command ``angiosim``: words and exit codes."""
