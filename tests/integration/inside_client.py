"""Runs inside a session as a collaborator, sent there through ssh: talks to agent.sock by hand.

    python3 inside_client.py ask VERB JSON          prints the answer
    python3 inside_client.py push JSON              makes a commit and pushes it; JSON: name, email,
                                                    path, text, committer, tamper
"""

import json
import os
import socket
import struct
import subprocess
import sys


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.environ["REPO_ROOT"] + "/agent.sock")

    def send(self, kind, payload=b""):
        self.socket.sendall(struct.pack(">IcI", len(payload) + 5, kind, 1) + payload)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                return None
            data += piece
        return data

    def answer(self):
        head = self.exactly(9)
        return json.loads(self.exactly(struct.unpack(">I", head[:4])[0] - 5)) if head else {"gone": True}

    def ask(self, verb, **members):
        self.send(b"J", json.dumps({"verb": verb, **members}).encode())
        return self.answer()


def git(*argv, data=None, env=None):
    done = subprocess.run(["git", *argv], input=data, stdout=subprocess.PIPE, check=True,
                          env={**os.environ, **(env or {})})
    return done.stdout


def push(name, email, path="a", text="a\n", committer=("SteadyState", "x@y.z"), tamper="", mode="100644"):
    client = Client()
    head = client.ask("head")["head"]
    index = {"GIT_INDEX_FILE": os.environ["HOME"] + "/test-index"}
    blob = git("hash-object", "-w", "--stdin", data=text.encode()).decode().strip()
    if tamper == "tree":
        # git's own commands refuse such names
        body = mode.encode() + b" " + path.encode() + b"\0" + bytes.fromhex(blob)
        tree = git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", data=body).decode().strip()
    else:
        git("read-tree", head, env=index)
        git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", env=index)
        tree = git("write-tree", env=index).decode().strip()
    commit = git("commit-tree", "-p", head, "-m", "by hand", tree, env={
        "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_COMMITTER_NAME": committer[0],
        "GIT_COMMITTER_EMAIL": committer[1]}).decode().strip()
    pack = git("pack-objects", "--revs", "--stdout", "-q", data=f"{commit}\n^{head}\n".encode())
    if tamper == "cut":
        pack = pack[:-10]
    if tamper == "many":
        pack = b"PACK" + struct.pack(">II", 2, 0xffffffff) + pack[12:]
    if tamper == "incomplete":
        objects = git("rev-list", "--objects", "--no-object-names", commit, "^" + head).decode().split()
        pack = git("pack-objects", "--stdout", "-q", data="\n".join(o for o in objects if o != blob).encode())
    client.send(b"J", json.dumps({"verb": "push", "parent": head, "commit": commit, "changes": [], "overlaps": [],
                                  "login": "bob", "provider": "sshkey"}).encode())
    for at in range(0, len(pack), 60000):
        client.send(b"D", pack[at:at + 60000])
    client.send(b"E")
    answer = client.answer()
    answer["tried"] = commit
    return answer


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        print(json.dumps(Client().ask(sys.argv[2], **json.loads(sys.argv[3]))))
    else:
        print(json.dumps(push(**json.loads(sys.argv[2]))))
