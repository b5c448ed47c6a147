"""People's terminals, as tmux shows them: keys go in, the screen is read. One tmux server a test."""

import os
import pathlib
import re
import shlex

import steady

# What an application puts into the clipboard arrives in a buffer; no key is tmux's own.
SETTINGS = """set -g set-clipboard on
set -sg escape-time 10
set -g remain-on-exit on
set -g status off
set -g prefix None
"""


class Screens:
    """Terminals of one test, each a session of its own with a program in it."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.made = 0

    def tmux(self, *argv, check=True):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        return steady.run("tmux", "-u", "-S", self.place / "screens", "-f", self.place / "screens.conf", *argv,
                          check=check, env=environment)

    def open(self, argv, columns=100, rows=24, env=None):
        """A terminal of that size that runs argv; its last screen stays when argv has ended."""
        (self.place / "screens.conf").write_text(SETTINGS)
        self.made += 1
        name = f"screen{self.made}"
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8",
                       "TERM": "screen-256color", **(env or {})}
        # tmux does not always learn the status of what it ran, nor read its last words.
        inner = ["env", "-i", *(f"{k}={v}" for k, v in environment.items()),
                 "sh", "-c", '"$@"; echo "ended with $?"; exec cat', "sh", *(str(a) for a in argv)]
        self.tmux("new-session", "-d", "-s", name, "-x", columns, "-y", rows, shlex.join(inner))
        screen = Screen(self, name)
        screen.resize(columns, rows)
        return screen

    def close(self):
        if self.made:
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

    def rows(self, *options):
        """What is drawn, row by row."""
        return self.screens.tmux("capture-pane", "-p", *options, "-t", self.name).stdout

    def text(self):
        """What is written, with lines that went on in the next row put together."""
        return self.rows("-J")

    def wait(self, wanted, timeout=60):
        """Until the screen holds the text, or the condition on it is true."""
        seen = [""]

        def there():
            seen[0] = self.text()
            found = wanted(seen[0]) if callable(wanted) else wanted in seen[0]
            assert found or not re.search(r"^ended with \d", seen[0], re.M), "the program has ended"
            return found
        try:
            steady.wait_for(there, timeout, wanted)
        except AssertionError as e:
            raise AssertionError(f"{e}; {self.name} shows:\n{seen[0]}") from None
        return seen[0]

    def wait_for(self, pattern, timeout=60):
        """Until the rows match; gives the match."""
        shown = [""]

        def look():
            shown[0] = self.rows()
            return re.search(pattern, shown[0], re.S)
        try:
            return steady.wait_for(look, timeout)
        except AssertionError:
            raise AssertionError(f"waited {timeout} s for {pattern!r} on\n{shown[0]}") from None

    def resize(self, columns, rows):
        self.screens.tmux("resize-window", "-t", self.name, "-x", columns, "-y", rows)

    def ended(self, timeout=60):
        """Waits until the program has ended; its exit status."""
        return int(self.wait_for(r"(?m)^ended with (\d+)", timeout)[1])

    def pid(self):
        return int(self.screens.tmux("list-panes", "-t", self.name, "-F", "#{pane_pid}").stdout)

    def clipboard(self):
        return self.screens.tmux("show-buffer", check=False).stdout
