/* A directory of its own for each test, and the git command to make repositories in it. */
#ifndef GIT_FIXTURE_H
#define GIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "git/repo.h"

struct fixture {
    char *dir;
};

static inline int fixture_setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = xstrdup("/tmp/steadystate-git-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(repo_library_init(true, NULL), 0);
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(path_remove_tree(AT_FDCWD, f->dir, NULL), 0);
    free(f->dir);
    free(f);
    return 0;
}

/* Runs a shell script in the fixture's directory; its stdout without the last newline. */
static inline char *sh(const struct fixture *f, const char *script)
{
    const char *argv[] = {"sh", "-ec", script, NULL};
    const char *env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                         "HOME=/nonexistent",
                         "LC_ALL=C.UTF-8",
                         "GIT_CONFIG_NOSYSTEM=1",
                         "GIT_CONFIG_GLOBAL=/dev/null",
                         "GIT_AUTHOR_NAME=Ada",
                         "GIT_AUTHOR_EMAIL=ada@example.org",
                         "GIT_COMMITTER_NAME=SteadyState",
                         "GIT_COMMITTER_EMAIL=steadystate@localhost",
                         "GIT_CONFIG_COUNT=2",
                         "GIT_CONFIG_KEY_0=init.defaultBranch",
                         "GIT_CONFIG_VALUE_0=main",
                         "GIT_CONFIG_KEY_1=safe.directory",
                         "GIT_CONFIG_VALUE_1=*",
                         NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    cleanup_close int cwd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_proc_result struct proc_result r = {0, STR_INIT, STR_INIT};
    struct err err = ERR_INIT;
    spec.file = "/bin/sh";
    spec.argv = (char *const *)argv;
    spec.envp = (char *const *)env;
    spec.cwd_fd = cwd;
    if (proc_run(&spec, NULL, 0, 1 << 20, 120000, &r, &err) < 0)
        fail_msg("%s", err.msg);
    if (r.status)
        fail_msg("status %d: %s%s", r.status, r.out.p, r.errs.p);
    while (r.out.len && r.out.p[r.out.len - 1] == '\n')
        str_truncate(&r.out, r.out.len - 1);
    return str_detach(&r.out);
}

static inline char *in(const struct fixture *f, const char *name)
{
    return xasprintf("%s/%s", f->dir, name);
}

static inline struct oid oid_of_text(const char *hex)
{
    struct oid oid;
    assert_int_equal(oid_parse(hex, strlen(hex), &oid, NULL), 0);
    return oid;
}

#endif
