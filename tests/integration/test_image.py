"""Covers: images/session and scripts/image on both engines: what protects a session must be true of
the image itself (no setuid file, no shell for uid 0, no key shared between sessions), the accounts,
names and tools that the agent and collaborators rely on, and the build arguments.
Not covered: what the engine adds when a session is started."""

import pathlib
import subprocess

import pytest

import engines

VERSION = (engines.ROOT / "VERSION").read_text().strip()
WRAPPER = "/usr/libexec/steadystate/steadystate-wrapper"


@pytest.fixture(scope="module", params=engines.KINDS)
def built(request):
    with engines.running(request.param) as engine:
        yield engine, engines.session_image(engine)


def shell(built, script):
    engine, image = built
    code, output = engine.run_once(image, ["bash", "-c", script])
    assert code == 0, output
    return output


def test_nothing_in_it_gives_rights_to_who_starts_it(built):
    assert shell(built, "find / -xdev -type f -perm /6000; command -v getcap && getcap -r / 2>/dev/null; true") == ""


def test_uid_0_has_no_shell_and_no_password(built):
    lines = shell(built, "awk -F: '$3 == 0 { print $1 \":\" $2 \":\" $7 }' /etc/passwd").split()
    assert lines == ["root:x:/usr/sbin/nologin", f"steadystate:x:{WRAPPER}"]
    assert "steadystate:*:" in shell(built, "cat /etc/shadow")
    assert shell(built, "awk -F: '$2 !~ /^[*!]/ { print $1 }' /etc/shadow") == ""


def test_no_host_key_is_shared(built):
    assert shell(built, "ls /etc/ssh | grep host_key; true") == ""


def test_session_is_empty_and_accounts_come_from_it(built):
    assert shell(built, "ls -A /session; stat -c '%a %u %g' /session") == "755 0 0\n"
    assert shell(built, "readlink /var/lib/extrausers") == "/session/extrausers\n"
    output = shell(built, "mkdir /session/extrausers && cd /session/extrausers &&"
                          "echo 'ann:x:10001:10001::/session/home/ann:/bin/bash' >passwd &&"
                          "echo 'ann:x:10001:' >group && chmod 755 . && chmod 644 * && id ann")
    assert output == "uid=10001(ann) gid=10001(ann) groups=10001(ann)\n"


def test_helper_account(built):
    assert shell(built, "id -u steadystate-helper; id -g steadystate-helper") == "10000\n10000\n"


def test_git_trusts_exactly_the_two_repositories(built):
    assert shell(built, "git --no-pager config --system --get-all safe.directory") == "/session/canonical\n/session/repo\n"


def test_tools_that_collaborators_expect(built):
    shell(built, "for p in git tmux less nano vim bash python3 rsync curl tar ps ssh scp sftp sshd"
                 " /usr/lib/openssh/sftp-server steadystate; do command -v $p >/dev/null || { echo $p; exit 1; }; done;"
                 "test -e /etc/ssl/certs/ca-certificates.crt && ldconfig -p | grep -q libstdc++.so.6")


def test_language_is_utf8(built):
    assert shell(built, "locale charmap; python3 -c 'print(len(\"\\u00e4\"))'") == "UTF-8\n1\n"


def test_login_shells_find_the_sessions_programs_first(built):
    assert shell(built, "REPO_ROOT=/session bash -lc 'echo ${PATH%%:*}'") == "/session/bin\n"


def test_our_programs_start(built):
    assert VERSION in shell(built, "steadystate version")


def test_labels_say_what_it_was_built_for(built):
    engine, image = built
    status, found = engine.request("GET", f"/images/{image}/json")
    assert status == 200
    labels = found["Config"]["Labels"]
    assert labels["steadystate.version"] == VERSION
    assert labels["steadystate.ssh-user"] == "steadystate"


def test_another_ssh_user(built):
    engine, _ = built
    name = "localhost/steadystate-session:test-ssh-user"
    image = engines.session_image(engine, name, SSH_USER="dev")
    try:
        code, output = engine.run_once(image, ["getent", "passwd", "dev"])
        assert (code, output) == (0, f"dev:x:0:0:SteadyState:/:{WRAPPER}\n")
        _, found = engine.request("GET", f"/images/{image}/json")
        assert found["Config"]["Labels"]["steadystate.ssh-user"] == "dev"
    finally:
        engine.request("DELETE", f"/images/{name}?force=1")


@pytest.mark.parametrize("user", ["sshd", "Root", "a b", "-x", "a:b", "x" * 33])
def test_an_ssh_user_that_cannot_be_one_is_refused(built, user):
    engine, _ = built
    environment = {"STEADYSTATE_ENGINE": engine.url, "SSH_USER": user, "PATH": "/usr/bin:/bin",
                   "IMAGE": "localhost/steadystate-session:test-refused"}
    done = subprocess.run([pathlib.Path(engines.ROOT) / "scripts/image"], env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("image: "), done.stderr
    status, _ = engine.request("GET", "/images/localhost/steadystate-session:test-refused/json")
    assert status == 404


def test_a_missing_engine_is_said_in_one_line(tmp_path):
    environment = {"STEADYSTATE_ENGINE": f"unix://{tmp_path}/none.sock", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([pathlib.Path(engines.ROOT) / "scripts/image"], env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"no container engine answers at unix://{tmp_path}/none.sock" in done.stderr
    assert done.stdout == ""
