"""The OAuth half of the forge: device flow and refresh tokens as GitHub and GitLab document them.

GitHub answers errors with status 200 and in form encoding unless JSON is asked for; GitLab with 400 or
401, always JSON. Each device code has its own clock: a poll before the interval is over is answered
slow_down, which makes the interval 5 seconds longer.
"""

import secrets
import threading
import time
import urllib.parse

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
TEXTS = {
    "authorization_pending": "The authorization request is still pending.",
    "slow_down": "Too many requests have been made in the same timeframe.",
    "expired_token": "This 'device_code' has expired.",
    "access_denied": "The authorization request was denied.",
    "incorrect_device_code": "The device_code provided is not valid.",
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "unsupported_grant_type": "The grant type is not supported.",
    "bad_refresh_token": "The refresh token passed is incorrect or expired.",
    "device_flow_disabled": "Device Flow must be explicitly enabled for this App",
    "invalid_client": "Client authentication failed due to unknown client.",
    "invalid_grant": "The provided authorization grant is invalid, expired, revoked.",
}


class OAuth:
    def __init__(self, base, state):
        self.base = base
        self.state = state
        self.lock = threading.Lock()
        self.lagged = 0    # answers given by a replica that lags
        self.devices = {}
        self.access = {}   # token: {"login", "ends"}
        self.refresh = {}  # token: {"login", "access", "dialect"}

    def login_of(self, token):
        """Whose token that is; None when nobody's or over."""
        now = self.state()
        if token in now.get("revoked", []):
            return None
        if token in now.get("tokens", {}):
            return now["tokens"][token]
        with self.lock:
            issued = self.access.get(token)
        return issued["login"] if issued and (not issued["ends"] or time.time() < issued["ends"]) else None

    # ---- requests: (status, object, as_form) ----

    def answer(self, dialect, path, form, wants_json):
        app = self.state().get("apps", {}).get(dialect)
        github = dialect == "github"
        begins = path in ("/login/device/code", "/oauth/authorize_device")
        known = app and form.get("client_id") == app["id"]
        # A public client sends no secret; a wrong one is wrong anyway.
        if known and (app.get("secret") or form.get("client_secret")):
            known = form.get("client_secret") == app.get("secret")
        as_form = github and not wants_json
        if not known and github and begins:
            return 404, {"error": "Not Found"}, False
        if not known:
            return self.error(github, "incorrect_client_credentials" if github else "invalid_client", as_form)
        if app.get("disabled"):
            return 400, {"error": "device_flow_disabled", "error_description": TEXTS["device_flow_disabled"]}, as_form
        with self.lock:
            if begins:
                return 200, self.begin(github, app), as_form
            word, answer = self.token(github, app, form)
        if word:
            return self.error(github, word, as_form, answer)
        return 200, answer, as_form

    def error(self, github, word, as_form, more=None):
        body = {"error": word, "error_description": TEXTS[word], **(more or {})}
        if github:
            return 200, {**body, "error_uri": "https://docs.github.com/developers/apps"}, as_form
        return 401 if word == "invalid_client" else 400, body, False

    def begin(self, github, app):
        code = secrets.token_hex(20) if github else secrets.token_urlsafe(32)
        letters = "".join(secrets.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(8))
        user_code = app.get("user_code") or (f"{letters[:4]}-{letters[4:]}" if github else letters)
        device = {"user_code": user_code, "interval": app.get("interval", 5), "last": 0, "github": github,
                  "ends": time.time() + app.get("expires_in", 900 if github else 300), "over": False}
        self.devices[code] = device
        page = f"{self.base}/login/device" if github else f"{self.base}/oauth/device"
        answer = {"device_code": code, "user_code": user_code, "verification_uri": app.get("page", page),
                  "expires_in": app.get("expires_in", 900 if github else 300), "interval": device["interval"]}
        if not github:
            answer["verification_uri_complete"] = f"{page}?user_code={user_code}"
        return answer

    def token(self, github, app, form):
        if form.get("grant_type") == "refresh_token":
            return self.renew(github, app, form)
        if form.get("grant_type") != DEVICE:
            return "unsupported_grant_type", None
        lag = app.get("lag")
        if lag and lag["times"] > self.lagged:
            self.lagged += 1
            return lag["word"], None
        device = self.devices.get(form.get("device_code", ""))
        unknown = "incorrect_device_code" if github else "invalid_grant"
        if not device or device["over"] or device["github"] != github:
            return unknown, None
        now = time.time()
        if now - device["last"] < device["interval"]:
            device["last"] = now
            device["interval"] += 5
            return "slow_down", {"interval": device["interval"]} if github else None
        device["last"] = now
        decided = self.state().get("approvals", {}).get(device["user_code"])
        if now >= device["ends"] or decided == "expired":
            device["over"] = not github
            return "expired_token", None
        if not decided:
            return "authorization_pending", None
        device["over"] = True
        if decided == "denied":
            return "access_denied", None
        return None, self.issue(github, app, decided)

    def issue(self, github, app, login):
        life = app.get("token_life", 0 if github else 7200)
        kind = ("ghu_" if life else "gho_") if github else ""
        token = kind + secrets.token_hex(18)
        self.access[token] = {"login": login, "ends": time.time() + life if life else 0}
        answer = {"access_token": token, "token_type": "bearer" if github else "Bearer",
                  "scope": ("" if life else "repo") if github else "read_api read_repository write_repository"}
        if life:
            refresh = ("ghr_" if github else "") + secrets.token_hex(38)
            self.refresh[refresh] = {"login": login, "access": token, "github": github}
            answer.update(refresh_token=refresh, expires_in=life)
            if github:
                answer["refresh_token_expires_in"] = 15811200
            else:
                answer["created_at"] = int(time.time())
        return answer

    def renew(self, github, app, form):
        # Rotates: the old pair is dead at once.
        old = self.refresh.pop(form.get("refresh_token", ""), None)
        if not old or old["github"] != github or form["refresh_token"] in self.state().get("revoked", []):
            return "bad_refresh_token" if github else "invalid_grant", None
        self.access.pop(old["access"], None)
        return None, self.issue(github, app, old["login"])


def form_of(body):
    return {name: values[-1] for name, values in urllib.parse.parse_qs(body.decode(errors="replace")).items()}
