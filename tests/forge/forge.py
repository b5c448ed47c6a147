#!/usr/bin/env python3
"""A small GitHub and GitLab for the tests: real `git http-backend`, OAuth device flow, REST, faults.

    forge.py ROOT ADDRESS PORT

Serves the bare repositories below ROOT as http://ADDRESS:PORT/<owner>/<name>.git and prints
"ready". GITHUB_URL and GITLAB_URL are the address itself, GITHUB_API_URL is it with /api/v3 (as an
Enterprise server has it). State that a test changes lies in ROOT/forge.json and is read anew for
every request:

    people      {login: {"id": number, "keys": [lines], "name": text}}
    apps        {"github" or "gitlab": {"id": client id, "secret", "interval", "expires_in",
                "token_life": seconds (GitHub: 0 = for ever), "user_code", "page", "disabled", "lag": {"word",
                "times"}}}
    approvals   {user code: login, "denied" or "expired"}: what somebody did on the forge's page
    tokens      {token: login}: personal access tokens. A repository in "private" needs a token of
                somebody who may see it (any user name, the token as password); a push needs one of
                somebody who may push unless "open_push" is true or absent
    revoked     [token, ...]
    collaborators {"owner/name": {login: pull, triage, push, maintain or admin}}: who may do what; a
                repository that is not in it lets in every token
    private     ["owner/name", ...]
    renamed     {"owner/old": "owner/new"}
    page_max    entries of a page at most
    etags       answers have ETags and 304 says that nothing is new: "strong", "weak", "body" (of the body
                alone, the 304 carries Link and the like), or "liar" (304 for every If-None-Match, naming another answer)
    no_link     GitLab tells the next page by X-Next-Page only
    protected   ["refs/heads/main", ...]: a push to them is refused as GitHub does it (GH006)
    fault       null, or {"kind": ..., "match": substring of the path, "times": n or absent = always}
                kinds: status (with "status"), hang, reset, slow (with "seconds"), truncate, redirect (with
                "location"), garbage, type, huge, deep, primary and secondary (rate limits), lost (done, but
                no answer)
    log         every request is appended to ROOT/requests.log as JSON: method, path, authorization, time, form
"""

import base64
import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import socket
import struct
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse

from oauth import OAuth, form_of
from rest import Rest

ROOT = pathlib.Path(sys.argv[1])
BASE = f"http://{sys.argv[2]}:{sys.argv[3]}"
LOCK = threading.Lock()
OAUTH_PATHS = {"/login/device/code": "github", "/login/oauth/access_token": "github",
               "/oauth/authorize_device": "gitlab", "/oauth/token": "gitlab"}
# Refuses what FORGE_PROTECTED names, with GitHub's words.
HOOK = """#!/bin/sh
case " $FORGE_PROTECTED " in
*" $1 "*)
    echo "error: GH006: Protected branch update failed for $1." >&2
    exit 1
    ;;
esac
"""


def state():
    try:
        return json.loads((ROOT / "forge.json").read_text())
    except FileNotFoundError:
        return {}


def take_fault(path):
    """The fault for this request, counted down."""
    with LOCK, open(ROOT / "forge.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        now = state()
        fault = now.get("fault")
        if not fault or fault.get("match", "") not in path:
            return None
        if "times" in fault:
            if fault["times"] <= 0:
                return None
            fault["times"] -= 1
            temp = ROOT / "forge.json.tmp"
            temp.write_text(json.dumps(now))
            temp.rename(ROOT / "forge.json")
        return fault


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def refuse(self, status, text, headers=()):
        body = text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def token(self):
        """The token that was sent, in any of the ways the forges take; None without one."""
        header = self.headers.get("Authorization", "")
        kind, _, rest = header.partition(" ")
        if kind.lower() in ("bearer", "token"):
            return rest
        if kind.lower() == "basic":
            try:
                return base64.b64decode(rest).decode().partition(":")[2]
            except ValueError:
                return ""
        return self.headers.get("PRIVATE-TOKEN")

    def reply(self, status, body, headers=(), fault=None):
        """An object or list as JSON, a text as it is."""
        kind = fault["kind"] if fault else None
        text = body if isinstance(body, str) else json.dumps(body)
        content_type = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json; charset=utf-8"
        if text.startswith("\x00"):
            text, content_type = text[1:], "application/x-www-form-urlencoded; charset=utf-8"
        if kind == "lost":
            return self.fail_on_purpose({"kind": "reset"})
        if kind == "html":
            content_type = "text/html; charset=utf-8"
        elif kind == "type":
            content_type = "image/png"
        elif kind == "huge":
            text = "[" + " " * (64 << 20) + text + "]"
        elif kind == "deep":
            text = "[" * 100000 + "]" * 100000
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            self.wfile.write(text.encode()[:len(text) // 2 if kind == "truncate" else None])
        except OSError:
            pass
        return None

    def fail_on_purpose(self, fault):
        """True: the request is answered."""
        kind = fault["kind"]
        if kind == "status":
            self.refuse(fault["status"], "fault on purpose\n")
        elif kind == "hang":
            time.sleep(600)
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif kind == "redirect":
            self.refuse(302, "elsewhere\n", [("Location", fault["location"])])
        elif kind == "garbage":
            self.reply(200, "<!DOCTYPE html><html><body>a page</body></html>\n", fault={"kind": "html"})
        elif kind == "primary":
            self.reply(fault.get("status", 403), {"message": "API rate limit exceeded for user ID 1."},
                       [("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", "0"),
                        ("x-ratelimit-reset", str(int(time.time()) + 1800))])
        elif kind == "secondary":
            self.reply(403, {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."},
                       [("x-ratelimit-remaining", "4000"), ("retry-after", "60")][:1 + bool(fault.get("retry"))])
        elif kind == "slow":
            time.sleep(fault["seconds"])
            return False
        else:
            return False
        return True

    def serve(self):
        split = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(split.path)
        form = {}
        if path in OAUTH_PATHS and self.command == "POST":
            form = form_of(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        with LOCK, open(ROOT / "requests.log", "a", encoding="utf-8") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "time": time.time(), "form": form,
                                  "condition": self.headers.get("If-None-Match"), "authorization": self.headers.get("Authorization")}) + "\n")
        fault = take_fault(self.path)
        if fault and self.fail_on_purpose(fault):
            return
        if path in OAUTH_PATHS:
            self.serve_oauth(path, form, fault)
        elif path.startswith("/api/") or path.endswith(".keys"):
            self.serve_rest(split, fault)
        else:
            self.serve_git(split, path, fault)

    def serve_oauth(self, path, form, fault):
        if self.command != "POST":
            return self.refuse(404, "Not Found\n")
        wants_json = "json" in self.headers.get("Accept", "")
        status, body, as_form = OAUTH.answer(OAUTH_PATHS[path], path, form, wants_json)
        return self.reply(status, "\x00" + urllib.parse.urlencode(body) if as_form else body, fault=fault)

    def serve_rest(self, split, fault):
        if not self.headers.get("User-Agent"):
            return self.refuse(403, "Request forbidden by administrative rules.\n")
        token = self.token()
        login = OAUTH.login_of(token) if token else None
        query = dict(urllib.parse.parse_qsl(split.query))
        status, body, headers = REST.answer(split.path, query, login, token)
        kind = state().get("etags")
        if kind and status == 200 and not fault:
            named = [body] if kind == "body" else [body, headers]
            digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
            etag = ("W/" if kind == "weak" else "") + f'"{digest}"'
            headers = [*headers, ("ETag", etag)]
            asked = self.headers.get("If-None-Match")
            if asked == etag or (asked and kind == "liar"):
                self.send_response(304)
                self.send_header("ETag", '"of something else"' if kind == "liar" else etag)
                if kind == "body":
                    for name, value in headers[:-1]:
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                return None
        return self.reply(status, body, headers, fault)

    def serve_git(self, split, path, fault):
        now = state()
        service = urllib.parse.parse_qs(split.query).get("service", [""])[0]
        push = service == "git-receive-pack" or path.endswith("/git-receive-pack")
        repository = path.split(".git", 1)[0].strip("/")
        if repository in now.get("renamed", {}):
            moved = self.path.replace(repository, now["renamed"][repository], 1)
            return self.refuse(301, "moved\n", [("Location", BASE + moved)])
        directory = ROOT / (repository + ".git")
        token = self.token()
        login = OAUTH.login_of(token) if token is not None else None
        if ".." in path or not directory.is_dir():
            return self.refuse(404, "Not Found\n")
        private = repository in now.get("private", [])
        if (private or (push and not now.get("open_push", True))) and not login:
            if token is None:
                return self.refuse(401, "Authentication required\n",
                                   [("WWW-Authenticate", 'Basic realm="forge"')])
            return self.refuse(401 if token else 403, "denied\n")
        if repository in now.get("collaborators", {}):
            allowed = REST.permission(repository, login)
            if allowed is None:
                return self.refuse(404, "Not Found\n")
            if push and not now.get("open_push", True) and allowed in ("pull", "triage"):
                return self.refuse(403, f"Permission to {repository}.git denied to {login}.\n")
        return self.backend(split, path, login, bool(fault) and fault["kind"] == "truncate")

    def backend(self, split, path, login, truncate):
        length = int(self.headers.get("Content-Length") or 0)
        chunked = self.headers.get("Transfer-Encoding", "") == "chunked"
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(ROOT), "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "3", "GIT_CONFIG_KEY_2": "core.hooksPath", "GIT_CONFIG_VALUE_2": str(ROOT / "hooks"),
            "FORGE_PROTECTED": " ".join(state().get("protected", [])),
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
            "GIT_CONFIG_KEY_1": "http.receivepack", "GIT_CONFIG_VALUE_1": "true",
            "PATH_INFO": path, "QUERY_STRING": split.query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": self.client_address[0],
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_USER": login or "",
        }
        if not chunked:
            environment["CONTENT_LENGTH"] = str(length)
        child = subprocess.Popen(["git", "http-backend"], env=environment, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        feeder = threading.Thread(target=self.feed, args=(child.stdin, length, chunked))
        feeder.start()
        status, headers = 200, []
        for line in child.stdout:
            line = line.decode().strip()
            if not line:
                break
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        sent = 0
        try:
            while piece := child.stdout.read1(65536):
                self.wfile.write(piece[:200] if truncate else piece)
                sent += len(piece)
                if truncate:
                    break
        except OSError:
            pass
        child.stdout.close()
        feeder.join()
        child.wait()

    def feed(self, pipe, length, chunked):
        try:
            if chunked:
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    pipe.write(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
            else:
                while length:
                    piece = self.rfile.read(min(length, 65536))
                    if not piece:
                        break
                    pipe.write(piece)
                    length -= len(piece)
            pipe.close()
        except OSError:
            pass

    do_GET = serve
    do_POST = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):
        # HTTPServer looks its own name up, which takes 10 s where no resolver answers.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


OAUTH = OAuth(BASE, state)
REST = Rest(BASE, state)


def main():
    (ROOT / "hooks").mkdir(exist_ok=True)
    (ROOT / "hooks" / "update").write_text(HOOK)
    (ROOT / "hooks" / "update").chmod(0o755)
    server = Server((sys.argv[2], int(sys.argv[3])), Handler)
    print("ready", flush=True)
    server.serve_forever()


main()
