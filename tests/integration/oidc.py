"""A real OpenID provider (npm's oidc-provider, tests/oidc) and a person who uses its pages."""

import http.cookiejar
import html.parser
import json
import pathlib
import subprocess
import urllib.parse
import urllib.request

import steady

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "oidc"


class _Forms(html.parser.HTMLParser):
    """The forms of a page: [(action, {name: value})]."""

    def __init__(self, text):
        super().__init__()
        self.forms = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes.get("action", ""), {}))
        elif tag in ("input", "button") and self.forms and attributes.get("name"):
            self.forms[-1][1][attributes["name"]] = attributes.get("value") or ""


class OpenId:
    """clients: "public" without a secret, "secret" with `client_secret`."""

    client_secret = "a+b/c% d"

    def __init__(self, *options):
        if not (FOLDER / "node_modules").is_dir():
            steady.run("npm", "ci", "--no-audit", "--no-fund", cwd=FOLDER, timeout=300)
        self.port = steady.free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(["node", "server.mjs", str(self.port), *options], cwd=FOLDER, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._expect("ready")

    def _expect(self, word):
        # The library prints notices of its own in between.
        for line in self.process.stdout:
            if line.strip() == word:
                return
        raise AssertionError(f"the provider ended before it said {word}")

    def command(self, **members):
        self.process.stdin.write(json.dumps(members) + "\n")
        self.process.stdin.flush()
        self._expect("done")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def environment(self, client="public"):
        made = {"OIDC_ISSUER": self.issuer, "OIDC_CLIENT_ID": client}
        if client == "secret":
            made["OIDC_CLIENT_SECRET"] = self.client_secret
        return made

    def visit(self, uri, account, approve=True):
        """Walks through the provider's pages as a person does; gives the last page's text."""
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        page = opener.open(uri, timeout=20)
        for _ in range(10):
            text, url = page.read().decode(), page.url
            forms = _Forms(text).forms
            if not forms:
                return text
            action, fields = forms[0]
            if "login" in fields:
                fields.update(login=account, password="x")
            # The page has both buttons; one is pressed.
            refused = not approve and "confirm" in fields
            fields.pop("confirm" if refused else "abort", None)
            page = opener.open(urllib.parse.urljoin(url, action or url), urllib.parse.urlencode(fields).encode(),
                               timeout=20)
            if refused:
                return page.read().decode()
        raise AssertionError(f"the provider's pages do not end: {text[:500]}")
