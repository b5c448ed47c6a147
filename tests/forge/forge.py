#!/usr/bin/env python3
"""A git forge for the tests: real `git http-backend` behind HTTP, with tokens and faults.

    forge.py ROOT ADDRESS PORT

Serves the bare repositories below ROOT as http://ADDRESS:PORT/<owner>/<name>.git and prints
"ready". State that a test changes lies in ROOT/forge.json and is read anew for every request:

    tokens      {token: login}; a repository in "private" needs one of them (any user name, the token as
                password), a push always does unless "open_push" is true
    private     ["owner/name", ...]
    protected   ["refs/heads/main", ...]: a push to them is refused as GitHub does it (GH006)
    fault       null, or {"kind": ..., "match": substring of the path, "times": n or absent = always}
                kinds: status (with "status"), hang, reset, slow (with "seconds"), truncate, redirect (with
                "location"), garbage
    log         every request is appended to ROOT/requests.log as JSON: method, path, authorization
"""

import base64
import fcntl
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

ROOT = pathlib.Path(sys.argv[1])
LOCK = threading.Lock()


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

    def login(self, now):
        header = self.headers.get("Authorization", "")
        if not header.lower().startswith("basic "):
            return None
        try:
            _, _, password = base64.b64decode(header[6:]).decode().partition(":")
        except ValueError:
            return ""
        return now.get("tokens", {}).get(password, "")

    def fail_on_purpose(self, fault):
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
            self.refuse(200, "<html>this is not git</html>\n")
        elif kind == "slow":
            time.sleep(fault["seconds"])
            return False
        return kind != "truncate"

    def serve(self):
        split = urllib.parse.urlsplit(self.path)
        now = state()
        with LOCK, open(ROOT / "requests.log", "a", encoding="utf-8") as log:
            log.write(json.dumps({"method": self.command, "path": self.path,
                                  "authorization": self.headers.get("Authorization")}) + "\n")
        fault = take_fault(self.path)
        if fault and self.fail_on_purpose(fault):
            return
        path = urllib.parse.unquote(split.path)
        service = urllib.parse.parse_qs(split.query).get("service", [""])[0]
        push = service == "git-receive-pack" or path.endswith("/git-receive-pack")
        repository = path.split(".git", 1)[0].strip("/")
        directory = ROOT / (repository + ".git")
        login = self.login(now)
        if ".." in path or not directory.is_dir():
            return self.refuse(404, "Not Found\n")
        private = repository in now.get("private", [])
        if (private or (push and not now.get("open_push", True))) and not login:
            if login is None:
                return self.refuse(401, "Authentication required\n",
                                   [("WWW-Authenticate", 'Basic realm="forge"')])
            return self.refuse(404 if private else 403, "denied\n")
        self.backend(split, path, login, bool(fault) and fault["kind"] == "truncate")

    def backend(self, split, path, login, truncate):
        length = int(self.headers.get("Content-Length") or 0)
        chunked = self.headers.get("Transfer-Encoding", "") == "chunked"
        environment = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(ROOT), "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
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


def main():
    server = Server((sys.argv[2], int(sys.argv[3])), Handler)
    print("ready", flush=True)
    server.serve_forever()


main()
