"""A person's terminal, as tmux shows it: keys go in, the screen is read. One tmux server a test."""

import os
import pathlib
import shlex

import steady


class Screens:
    """Terminals of one test, each a window of its own with a program in it."""

    def __init__(self, place):
        self.socket = pathlib.Path(place) / "screens"
        self.made = 0

    def tmux(self, *argv, check=True):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        return steady.run("tmux", "-u", "-S", self.socket, "-f", "/dev/null", *argv, check=check, env=environment)

    def open(self, argv, columns=100, rows=24, env=None):
        """A terminal of that size that runs argv; its last screen stays when argv has ended."""
        self.made += 1
        name = f"screen{self.made}"
        words = [f"{k}={v}" for k, v in {"TERM": "xterm-256color", **(env or {})}.items()]
        command = shlex.join(["env", *words, *(str(a) for a in argv)])
        self.tmux("new-session", "-d", "-s", name, "-x", columns, "-y", rows, command, ";",
                  "set-option", "-g", "remain-on-exit", "on", ";", "set-option", "-g", "status", "off", ";",
                  "set-option", "-g", "prefix", "None")
        self.tmux("resize-window", "-t", name, "-x", columns, "-y", rows)
        return Screen(self, name)

    def close(self):
        self.tmux("kill-server", check=False)


class Screen:
    def __init__(self, screens, name):
        self.screens, self.name = screens, name

    def keys(self, *keys):
        """tmux's names of keys: Enter, C-b, ..."""
        self.screens.tmux("send-keys", "-t", self.name, *keys)

    def type(self, text, enter=True):
        self.screens.tmux("send-keys", "-t", self.name, "-l", "--", text)
        if enter:
            self.keys("Enter")

    def text(self):
        return self.screens.tmux("capture-pane", "-p", "-J", "-t", self.name).stdout

    def wait(self, wanted, timeout=60):
        """Until the screen holds the text, or the condition on it is true."""
        seen = [""]

        def there():
            seen[0] = self.text()
            assert "Pane is dead" not in seen[0] or (not callable(wanted) and wanted in seen[0]), "the program has ended"
            return wanted(seen[0]) if callable(wanted) else wanted in seen[0]
        try:
            steady.wait_for(there, timeout, wanted)
        except AssertionError as e:
            raise AssertionError(f"{e}; {self.name} shows:\n{seen[0]}") from None
        return seen[0]

    def resize(self, columns, rows):
        self.screens.tmux("resize-window", "-t", self.name, "-x", columns, "-y", rows)

    def ended(self, timeout=60):
        """Waits until the program has ended; its exit status."""
        def dead():
            words = self.screens.tmux("list-panes", "-t", self.name, "-F", "#{pane_dead} #{pane_dead_status}").stdout
            return words.split() if words.startswith("1") else None
        return int((steady.wait_for(dead, timeout, f"the end of {self.name}") + ["0"])[1])
