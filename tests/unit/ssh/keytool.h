/* Temporary directories and OpenSSH's own tools, for comparing with what everybody else reads. */
#ifndef TESTS_KEYTOOL_H
#define TESTS_KEYTOOL_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"

static inline int keytool_setup(void **state)
{
    char *dir = xstrdup("/tmp/steadystate-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    *state = dir;
    return 0;
}

static inline int keytool_teardown(void **state)
{
    char *dir = *state;
    int rc = path_remove_tree(AT_FDCWD, dir, NULL);
    free(dir);
    return rc;
}

/* Runs a program with the environment of the test; its exit status, output in out if wanted. */
static inline int keytool_run(struct str *out, const char *input, char *const *argv)
{
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = argv[0];
    spec.argv = argv;
    spec.envp = environ;
    cleanup_proc_result struct proc_result r = {0};
    struct err err = ERR_INIT;
    size_t n = input ? strlen(input) : 0;
    if (proc_run(&spec, input, n, 1 << 20, 60000, &r, &err))
        fail_msg("%s: %s", argv[0], err.msg);
    if (out)
        str_add(out, r.out.p, r.out.len);
    return r.status;
}

static inline void keytool_keygen(const char *path, const char *type, const char *bits,
                                  const char *passphrase)
{
    cleanup_strv struct strv argv = STRV_INIT;
    strv_pushl(&argv, "ssh-keygen", "-q", "-t", type, "-N", passphrase, "-C", "a comment", "-f",
               path, NULL);
    if (bits)
        strv_pushl(&argv, "-b", bits, NULL);
    assert_int_equal(keytool_run(NULL, NULL, argv.v), 0);
}

static inline void keytool_read(const char *path, struct str *out)
{
    struct err err = ERR_INIT;
    if (fd_read_file(AT_FDCWD, path, 1 << 20, out, &err))
        fail_msg("%s", err.msg);
}

static inline void keytool_write(const char *path, const char *text)
{
    assert_int_equal(fd_write_file(AT_FDCWD, path, text, strlen(text), 0600, NULL), 0);
}

#endif
