#!/usr/bin/env python3
"""generate.py FOLDER LINES: base, local and canonical with 1 % of the lines changed on each side, no
line on both; the same every time."""
import os
import random
import sys

folder, lines = sys.argv[1], int(sys.argv[2])
r = random.Random(lines)
words = ["".join(r.choice("abcdefghijklmnop") for _ in range(r.randrange(2, 9))) for _ in range(3000)]
base = [" " * 4 * r.randrange(4) + " ".join(r.choices(words, k=r.randrange(3, 12))) + "\n" for _ in range(lines)]
places = list(range(0, lines, 3))
r.shuffle(places)
changed = max(1, lines // 100)
local, canonical = list(base), list(base)
for i in places[:changed]:
    local[i] = local[i].rstrip() + " " + r.choice(words) + "\n"
for i in places[changed:2 * changed]:
    canonical[i] = r.choice(words) + " " + canonical[i]
for name, text in (("base", base), ("local", local), ("canonical", canonical)):
    with open(os.path.join(folder, name), "w", encoding="ascii") as f:
        f.writelines(text)
