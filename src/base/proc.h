/*
 * Child processes: argv only, environment given whole, own process group, limits, time limit.
 *
 * Between fork and exec only async-signal-safe calls happen; `before_exec` runs there too (drop
 * privileges, install a seccomp policy) and must keep to that.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct proc_spec {
    const char *file;  /* absolute path, or looked up in PATH of the caller */
    char *const *argv; /* NULL-terminated */
    char *const *envp; /* NULL: empty environment */
    int cwd_fd;        /* -1: the caller's */
    int stdin_fd;      /* -1: /dev/null; likewise below */
    int stdout_fd;
    int stderr_fd;
    const int *keep_fds; /* further descriptors the child keeps, same numbers */
    size_t n_keep_fds;
    bool new_group;       /* own process group */
    bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL */
    uint64_t max_memory;  /* RLIMIT_AS, 0: as the caller */
    uint64_t max_file;    /* RLIMIT_FSIZE */
    uint64_t max_cpu_s;   /* RLIMIT_CPU */
    /* Runs in the child just before exec; non-zero ends the child with status 126 and what it wrote
     * to stderr. */
    int (*before_exec)(void *payload);
    void *payload;
};

#define PROC_SPEC_INIT                                                 \
    {                                                                  \
        .cwd_fd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 \
    }

/* Starts the child; exec failure is reported here, not by the exit status. */
int proc_start(const struct proc_spec *spec, pid_t *pid, struct err *err);

/* Waits; status as a shell counts it: exit code, or 128 + signal. */
int proc_wait(pid_t pid, int *status, struct err *err);

struct proc_result {
    int status; /* as above */
    struct str out;
    struct str errs; /* stderr */
};
void proc_result_release(struct proc_result *r);
#define cleanup_proc_result cleanup(proc_result_release)

/* Start, feed `input` (may be NULL), collect stdout and stderr up to max_output each (more is
 * ERR_LIMIT), end the whole group at timeout_ms (ERR_TIMEOUT; -1: never). spec's
 * stdin/stdout/stderr are set here. A non-zero exit is not an error of this function. */
int proc_run(const struct proc_spec *spec, const void *input, size_t input_len, size_t max_output,
             int timeout_ms, struct proc_result *out, struct err *err);

#endif
