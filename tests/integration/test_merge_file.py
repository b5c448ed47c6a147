"""steadystate merge-file: arguments, exit statuses, reports, and as git's merge driver; yupdate on its updates.

Not here: the rules of merging (tests/unit/merge), the updates in npm's Yjs (tests/oracle).
"""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("STEADYSTATE_BUILD", ROOT / "build")) / "steadystate"
YUPDATE = PROGRAM.with_name("yupdate")


@pytest.fixture
def files(tmp_path):
    def make(local, base, canonical):
        paths = []
        for name, text in (("local", local), ("base", base), ("canonical", canonical)):
            path = tmp_path / name
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            paths.append(str(path))
        return paths

    return make


def merge(*args):
    return subprocess.run([PROGRAM, "merge-file", *args], capture_output=True, check=False, timeout=60)


def test_replaces_local_and_keeps_its_mode(files):
    paths = files("Herwig likes pizza\n", "Tom likes pizza\n", "Tom likes hamburger\n")
    os.chmod(paths[0], 0o751)
    r = merge(*paths)
    assert (r.returncode, r.stdout, r.stderr) == (0, b"", b"")
    assert pathlib.Path(paths[0]).read_text() == "Herwig likes hamburger\n"
    assert os.stat(paths[0]).st_mode & 0o7777 == 0o751


def test_status_is_the_number_of_overlaps(files):
    base = "".join(f"x{i} = 1\nkeep\nkeep\n" for i in range(200))
    paths = files(base.replace("= 1", "= 2"), base, base.replace("= 1", "= 3"))
    r = merge("-p", "-q", *paths)
    assert r.returncode == 127
    assert r.stderr == b""
    few = files("x = 2\nk\nk\ny = 2\n", "x = 1\nk\nk\ny = 1\n", "x = 3\nk\nk\ny = 3\n")
    r = merge("-p", "-L", "name", *few)
    assert r.returncode == 2
    assert r.stdout == b"x = 3\nx = 2\nk\nk\ny = 3\ny = 2\n"
    assert r.stderr.decode().splitlines() == [
        "name: both rewrote lines 1-2: both versions are there, canonical's first",
        "name: both rewrote lines 5-6: both versions are there, canonical's first",
    ]


def test_json_report(files):
    r = merge("--json", *files("x = 2\n", "x = 1\n", "x = 3\n"))
    assert r.returncode == 1
    report = json.loads(r.stdout)
    assert report["git_clean"] is False
    (overlap,) = report["overlaps"]
    assert (overlap["kind"], overlap["line"], overlap["lines"]) == ("both_rewrote", 1, 2)
    assert (overlap["base"], overlap["local"], overlap["canonical"]) == ("x = 1\n", "x = 2\n", "x = 3\n")


def test_updates_are_written(files, tmp_path):
    r = merge("-p", "--emit-updates", str(tmp_path / "u"), *files("b\n", "a\n", "c\n"))
    assert r.returncode == 1
    assert sorted(p.name for p in (tmp_path / "u").iterdir()) == [
        "base.update", "canonical.update", "local.update"]
    assert (tmp_path / "u" / "base.update").stat().st_size > 0


def test_gits_other_arguments(files):
    texts = ("1\ntwo\n3\n4\n5\nfuenf", "1\n2\n3\n4\n5\n6", "1\nzwei\n3\n4\n5\nsechs\n")
    for option in ("--ours", "--theirs"):
        paths = files(*texts)
        git = subprocess.run(["git", "merge-file", "-p", option, *paths], capture_output=True, check=True)
        r = merge("-p", option, *paths)
        assert (r.returncode, r.stdout, r.stderr) == (0, git.stdout, b"")
    r = merge("-p", "--union", *files(*texts))
    assert (r.returncode, r.stdout, r.stderr) == (0, b"1\nzwei\ntwo\n3\n4\n5\nsechs\nfuenf", b"")
    plain = merge("-p", *files(*texts))
    for options in (["--diff3"], ["--zdiff3", "--marker-size=9"], ["--marker-size", "9"]):
        r = merge("-p", *options, *files(*texts))
        assert (r.returncode, r.stdout) == (2, plain.stdout)
    assert merge("-p", "--ours", "--union", *files(*texts)).returncode == 255
    assert merge("-p", "--marker-size", "x", *files(*texts)).returncode == 255


def yupdate(*args, status=0, stdin=b""):
    r = subprocess.run([YUPDATE, *args], capture_output=True, check=False, timeout=60, input=stdin)
    assert r.returncode == status, r
    assert status == 0 or (r.stdout == b"" and r.stderr.startswith(b"yupdate: ") and r.stderr.count(b"\n") == 1)
    return r.stdout


def test_yupdate_verbs(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    merged = merge("-p", "--emit-updates", "u", *files("x\ntwo\n", "x\ny\n", "x\nzwei\n")).stdout
    updates = ["u/local.update", "u/canonical.update", "u/base.update"]
    assert yupdate("text", *updates) == yupdate("text", "--root=content", *updates) == merged
    assert yupdate("text", "-r", "other", *updates) == b""
    both = yupdate("merge", *updates)
    assert yupdate("merge", "-", stdin=both) == both
    assert json.loads(yupdate("sv", "-", stdin=both)) == json.loads(yupdate("sv", *updates))
    vector = yupdate("sv", "u/base.update")
    assert set(json.loads(vector)) == {"1"}
    (tmp_path / "sv").write_bytes(vector)
    (tmp_path / "missing").write_bytes(yupdate("diff", "-", "sv", stdin=both))
    assert yupdate("text", "u/base.update", "missing") == merged
    assert yupdate("diff", "u/base.update", "-", stdin=b" {}\n") == yupdate("merge", "u/base.update")
    binary = bytes([1, 1, json.loads(vector)["1"]])
    assert yupdate("diff", "missing", "-", stdin=binary) == yupdate("diff", "missing", "sv")
    for bad in (b"", b"[]", b'{"1":-1}', b'{"a":1}', b'{"1":', b'{"1":"1"}', b'{"99999999999999999999":1}'):
        yupdate("diff", "missing", "-", stdin=bad, status=1)
    for verb in ("text", "merge", "sv"):
        yupdate(verb, "-", stdin=both[:-3], status=1)
        yupdate(verb, "nowhere", status=1)
        assert b"Example" in yupdate(verb, "--help")
    trace = {"startContent": "", "endContent": "ab", "txns": [{"patches": [[0, 0, "b"], [0, 0, "a"]]}]}
    assert json.loads(yupdate("replay", "--json", "-", stdin=json.dumps(trace).encode()))["same"] is True
    assert json.loads(yupdate("replay", "-", "--json", stdin=json.dumps(trace).encode()))["same"] is True
    (tmp_path / "link").symlink_to("u/base.update")
    assert yupdate("merge", "link") == yupdate("merge", "/dev/stdin", stdin=yupdate("merge", "link"))


def test_what_cannot_be_written_is_an_error(files, tmp_path):
    trace = tmp_path / "trace.json"
    trace.write_text('{"startContent": "", "endContent": "a", "txns": [{"patches": [[0, 0, "a"]]}]}')
    with open("/dev/full", "wb") as full:
        for argv in ([YUPDATE, "replay", trace], [YUPDATE, "replay", "--json", trace]):
            done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
            assert (done.returncode, done.stderr) == (1, b"yupdate: write: No space left on device\n")
        # Neither 0 nor a number of overlaps.
        for texts in (("b\n", "a\n", "a\n"), ("b\n", "a\n", "c\n")):
            argv = [PROGRAM, "merge-file", "--json", *files(*texts)]
            done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
            assert done.returncode == 255 and b"No space left on device" in done.stderr


@pytest.mark.parametrize("args, texts", [
    (["-p"], ("a\0b", "a\n", "b\n")),
    (["-p", "--emit-updates", "/proc/nowhere"], ("a\n", "b\n", "c\n")),
    (["-p", "--emit-updates", "u"], (b"\xff\n", "b\n", "c\n")),
    (["-p", "--no-such-option"], ("a\n", "b\n", "c\n")),
    (["-L", "1", "-L", "2", "-L", "3", "-L", "4"], ("a\n", "b\n", "c\n")),
])
def test_errors_are_255_and_touch_nothing(files, args, texts, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    paths = files(*texts)
    before = pathlib.Path(paths[0]).read_bytes()
    r = merge(*args, *paths)
    assert r.returncode == 255
    assert r.stderr
    assert pathlib.Path(paths[0]).read_bytes() == before


def test_missing_file_and_too_few_arguments(files):
    paths = files("a\n", "b\n", "c\n")
    assert merge("-p", paths[0], "/nonexistent", paths[2]).returncode == 255
    assert merge(*paths[:2]).returncode == 255


def test_as_merge_driver(tmp_path):
    def git(*args, status=0):
        r = subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *args], cwd=tmp_path,
                           capture_output=True, text=True, check=False, timeout=60)
        assert r.returncode == status, r.stdout + r.stderr
        return r.stdout

    git("init", "-q", "-b", "main")
    git("config", "merge.steadystate.driver", f"{PROGRAM} merge-file -L %P %A %O %B")
    (tmp_path / ".gitattributes").write_text("* merge=steadystate\n")

    def commit(**contents):
        for name, text in contents.items():
            (tmp_path / name).write_text(text)
        git("add", "-A")
        git("commit", "-q", "-m", "x")

    commit(words="Tom likes pizza\n", clash="x = 1\n")
    git("checkout", "-q", "-b", "other")
    commit(words="Tom likes hamburger\n")
    git("checkout", "-q", "main")
    commit(words="Herwig likes pizza\n")
    git("merge", "-q", "other", "-m", "x")
    assert (tmp_path / "words").read_text() == "Herwig likes hamburger\n"
    git("checkout", "-q", "other")
    commit(clash="x = 3\n")
    git("checkout", "-q", "main")
    commit(clash="x = 2\n")
    git("merge", "-q", "other", "-m", "x", status=1)
    assert (tmp_path / "clash").read_text() == "x = 3\nx = 2\n"
    assert git("diff", "--name-only", "--diff-filter=U") == "clash\n"
