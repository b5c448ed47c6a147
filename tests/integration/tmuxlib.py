"""A terminal for programs that draw: tmux with a server of its own."""

import re
import shlex

import steady


class Terminal:
    """One tmux session running one command; `screen()` is what a person would see."""

    def __init__(self, place, argv, environment, width=100, height=32, **options):
        self.socket = place / f"tmux-{id(self)}"
        settings = place / f"tmux-{id(self)}.conf"
        # What an application puts into the clipboard arrives in a buffer.
        settings.write_text("set -g set-clipboard on\nset -sg escape-time 10\n")
        self.environment = {**environment, "TERM": "screen-256color", **options}
        # tmux does not always learn the status of what it ran.
        inner = ["env", "-i", *(f"{k}={v}" for k, v in self.environment.items()),
                 "sh", "-c", '"$@"; echo "ended with $?"; exec cat', "sh", *(str(a) for a in argv)]
        steady.run("tmux", "-S", self.socket, "-f", settings, "new-session", "-d", "-x", width, "-y", height,
                   shlex.join(inner), env={"PATH": environment["PATH"], "LANG": "C.UTF-8", "TERM": "xterm-256color"})

    def tmux(self, *argv, check=True):
        return steady.run("tmux", "-S", self.socket, *argv, check=check).stdout

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)

    def wait_for(self, pattern, timeout=60):
        """Until the screen matches; gives the match."""
        shown = [""]

        def look():
            shown[0] = self.screen()
            return re.search(pattern, shown[0], re.S)
        try:
            return steady.wait_for(look, timeout)
        except AssertionError:
            raise AssertionError(f"waited {timeout} s for {pattern!r} on\n{shown[0]}") from None

    def status(self):
        """Exit status, once it has ended."""
        return int(self.wait_for(r"ended with (\d+)")[1])

    def pid(self):
        return int(self.tmux("list-panes", "-F", "#{pane_pid}").strip())

    def buffer(self):
        return self.tmux("show-buffer", check=False)

    def close(self):
        self.tmux("kill-server", check=False)
