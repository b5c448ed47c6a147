"""The REST half of the forge: users, keys and collaborators as GitHub and GitLab document them.

answer() gives (status, body, headers): an object or list is sent as JSON, a string as text/plain.
"""

import urllib.parse

LEVELS = {"pull": 20, "triage": 20, "push": 30, "maintain": 40, "admin": 50}
ORDER = ["pull", "triage", "push", "maintain", "admin"]


class Rest:
    def __init__(self, base, state):
        self.base = base
        self.state = state

    def answer(self, path, query, login, sent_token):
        """login: whose token was sent, None when nobody's."""
        if path.startswith("/api/v3/"):
            if sent_token and not login:
                return 401, {"message": "Bad credentials", "status": "401"}, []
            return self.github(path[len("/api/v3"):], query, login)
        if path.startswith("/api/v4/"):
            if sent_token and not login:
                return 401, {"message": "401 Unauthorized"}, []
            return self.gitlab(path[len("/api/v4"):], query, login)
        if path.endswith(".keys") and path.count("/") == 1:
            person = self.people().get(urllib.parse.unquote(path[1:-len(".keys")]))
            if person is None:
                return 404, "Not Found", []
            return 200, "".join(key + "\n" for key in person.get("keys", [])), []
        return 404, "Not Found", []

    # ---- state ----

    def people(self):
        return self.state().get("people", {})

    def find(self, login):
        """The login as it is spelled: people may type it in any case."""
        return next((name for name in self.people() if name.lower() == login.lower()), None)

    def by_id(self, number):
        return next((login for login, p in self.people().items() if str(p["id"]) == number), None)

    def permission(self, repository, login):
        """None: not even to be seen."""
        now = self.state()
        given = now.get("collaborators", {}).get(repository, {})
        if login in given:
            return given[login]
        if login and login == repository.split("/")[0]:
            return "admin"
        return None if repository in now.get("private", []) else "pull"

    def repository_id(self, repository):
        return 1000 + sorted(self.state().get("collaborators", {})).index(repository)

    def page(self, items, query, per_page):
        most = self.state().get("page_max", 100)
        size = min(int(query.get("per_page", per_page)), most)
        number = int(query.get("page", 1))
        return items[(number - 1) * size:number * size], size, number, max(1, -(-len(items) // size))

    # ---- GitHub ----

    def github(self, path, query, login):
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        missing = (404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest",
                         "status": "404"}, [])
        if parts == ["user"]:
            if not login:
                return 401, {"message": "Requires authentication", "status": "401"}, []
            return 200, self.github_user(login), []
        if parts[0] in ("users", "user") and len(parts) in (2, 3):
            name = self.find(parts[1]) if parts[0] == "users" else self.by_id(parts[1])
            if name is None:
                return missing
            person = self.people()[name]
            if len(parts) == 2:
                return 200, self.github_user(name), []
            if parts[0] == "users" and parts[2] == "keys":
                return 200, [{"id": i + 1, "key": " ".join(key.split()[:2])}
                             for i, key in enumerate(person.get("keys", []))], []
            return missing
        return self.github_repository(parts, query, login, missing)

    def github_user(self, login):
        return {"login": login, "id": self.people()[login]["id"], "node_id": "MDQ6VXNlcjE=", "type": "User",
                "site_admin": False, "name": self.people()[login].get("name"), "email": None}

    def github_repository(self, parts, query, login, missing):
        now = self.state()
        if parts[0] == "repositories" and len(parts) == 3:
            known = [r for r in now.get("collaborators", {}) if str(self.repository_id(r)) == parts[1]]
            repository, rest = (known or [None])[0], parts[2]
        elif parts[0] == "repos" and len(parts) == 4:
            repository, rest = "/".join(parts[1:3]), parts[3]
            moved = now.get("renamed", {}).get(repository)
            if moved:
                url = f"{self.base}/api/v3/repositories/{self.repository_id(moved)}/{rest}?" \
                      + urllib.parse.urlencode(query)
                return 301, {"message": "Moved Permanently", "url": url}, [("Location", url)]
        else:
            return missing
        if repository is None or rest != "collaborators" or repository not in now.get("collaborators", {}):
            return missing
        allowed = self.permission(repository, login)
        if allowed is None:
            return missing
        if not login:
            return 401, {"message": "Requires authentication", "status": "401"}, []
        if allowed not in ORDER[2:]:
            return 403, {"message": "Must have push access to view repository collaborators.", "status": "403"}, []
        given = now["collaborators"][repository]
        items, size, number, last = self.page(sorted(given), query, 30)
        url = f"{self.base}/api/v3/repositories/{self.repository_id(repository)}/collaborators"
        links = []
        if number < last:
            links = [("next", number + 1), ("last", last)]
        if number > 1:
            links += [("prev", number - 1), ("first", 1)]
        headers = [("Link", ", ".join(f'<{url}?per_page={size}&page={n}>; rel="{rel}"' for rel, n in links))] \
            if links else []
        return 200, [{**self.github_user(name), "role_name": given[name],
                      "permissions": {p: ORDER.index(p) <= ORDER.index(given[name]) for p in reversed(ORDER)}}
                     for name in items], headers

    # ---- GitLab ----

    def gitlab(self, path, query, login):
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        if parts == ["user"]:
            return (200, self.gitlab_user(login), []) if login else (401, {"message": "401 Unauthorized"}, [])
        if parts == ["users"] and "username" in query:
            name = self.find(query["username"])
            return 200, [self.gitlab_user(name)] if name else [], []
        if parts[0] == "users" and len(parts) in (2, 3):
            name = self.by_id(parts[1]) or (parts[1] if parts[1] in self.people() else None)
            if name is None:
                return 404, {"message": "404 User Not Found"}, []
            if len(parts) == 2:
                return 200, self.gitlab_user(name), []
            if parts[2] == "keys":
                return 200, [{"id": i + 1, "title": "laptop", "usage_type": "auth_and_signing",
                              "key": " ".join(key.split()[:2]) + f" {name} (localhost)"}
                             for i, key in enumerate(self.people()[name].get("keys", []))], []
        if len(parts) == 4 and parts[0] == "projects" and parts[2:] == ["members", "all"]:
            return self.gitlab_members(parts[1], query, login)
        return 404, {"error": "404 Not Found"}, []

    def gitlab_user(self, login):
        person = self.people()[login]
        return {"id": person["id"], "username": login, "name": person.get("name", login),
                "state": person.get("state", "active"), "locked": False, "avatar_url": None,
                "web_url": f"{self.base}/{login}"}

    def gitlab_members(self, repository, query, login):
        given = self.state().get("collaborators", {}).get(repository)
        if given is None or self.permission(repository, login) is None:
            return 404, {"message": "404 Project Not Found"}, []
        items, size, number, last = self.page(sorted(given), query, 20)
        url = f"{self.base}/api/v4/projects/{urllib.parse.quote(repository, safe='')}/members/all"
        links = [("first", 1), ("last", last)] + ([("next", number + 1)] if number < last else [])
        headers = [("X-Page", str(number)), ("X-Per-Page", str(size)), ("X-Total-Pages", str(last)),
                   ("X-Next-Page", str(number + 1) if number < last else "")]
        if not self.state().get("no_link"):
            headers.append(
                ("Link", ", ".join(f'<{url}?page={n}&per_page={size}>; rel="{rel}"' for rel, n in links)))
        return 200, [{**self.gitlab_user(name), "access_level": LEVELS[given[name]], "expires_at": None,
                      "membership_state": "active"} for name in items], headers
