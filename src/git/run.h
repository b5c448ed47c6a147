/*
 * The git command on a repository of this machine, without a network: argument vector, no shell,
 * time limit, output limit.
 *
 * GIT_RUN_OWN: in a repository that only our programs write (canonical). No system or user
 * configuration, no prompt.
 * GIT_RUN_USER: in the caller's own worktree, as the caller, with the caller's configuration and
 * filters: only ever from a process that is the collaborator already.
 */
#ifndef GIT_RUN_H
#define GIT_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"

enum git_run_kind { GIT_RUN_OWN, GIT_RUN_USER };

struct git_run {
    enum git_run_kind kind;
    const char *git_dir;
    const char *work_tree;   /* NULL: none */
    const char *index_file;  /* NULL: the repository's own */
    const char *const *args; /* after "git", NULL-terminated */
    const void *input;
    size_t input_len;
    size_t max_output; /* of stdout; 0: 1 MiB */
    int timeout_s;     /* 0: GIT_RUN_TIMEOUT_S */
};
#define GIT_RUN_TIMEOUT_S 600

/* Runs and collects. A non-zero exit is an error too: ERR_FAILED with the line of stderr that says
 * most. out (may be NULL) is filled in either case and released by the caller. */
int git_run(const struct git_run *run, struct proc_result *out, struct err *err);

/* The same with stdout going to a descriptor. */
int git_run_to_fd(const struct git_run *run, int fd, struct err *err);

/* The same on the caller's own terminal: stdin, stdout, stderr, pager. *status as a shell counts
 * it; a non-zero one is no error of this function. */
int git_run_interactive(const struct git_run *run, int *status, struct err *err);

#endif
