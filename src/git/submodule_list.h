/*
 * The list of a session's submodules that the agent writes beside canonical, for whoever makes a
 * worktree. Format and parser are pure; the file is JSON:
 *
 *     {"submodules": [{"name", "path", "parent", "url", "commit", "mirror", "problem"}]}
 *
 * parent: index in the list of the submodule that it lies in, always a smaller one; absent: the
 * session's repository. mirror: number of the bare repository beside the list that has `commit`.
 * Without mirror it was not fetched, and `problem` says why.
 */
#ifndef GIT_SUBMODULE_LIST_H
#define GIT_SUBMODULE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "git/oid.h"

#define SUBMODULES_DIR "submodules" /* beside canonical */
#define SUBMODULES_LIST "list.json" /* in it */
#define SUBMODULES_LIST_BYTES_MAX ((size_t)256 * 1024)
#define SUBMODULES_MAX 32
#define SUBMODULES_DEPTH_MAX 4

struct submodule {
    char *name;
    char *path; /* from the root of what it lies in */
    int parent; /* -1: the session's repository */
    char *url;  /* absolute; NULL when it was refused */
    struct oid commit;
    int mirror;    /* -1: none */
    char *problem; /* NULL when there is a mirror */
};

struct submodule_list {
    struct submodule v[SUBMODULES_MAX];
    size_t len;
};

void submodule_list_release(struct submodule_list *list);
#define cleanup_submodule_list cleanup(submodule_list_release)

/* Takes what is in *one; false and nothing taken when the list is full. */
bool submodule_list_add(struct submodule_list *list, struct submodule *one);
void submodule_release(struct submodule *one);

int submodule_list_depth(const struct submodule_list *list, size_t i); /* 1: no parent */

void submodule_list_format(const struct submodule_list *list, struct str *out);
/* *out is initialised here and empty after a failure. Every name and path is safe_path, unless the
 * entry has no mirror. */
int submodule_list_parse(const char *text, size_t len, struct submodule_list *out, struct err *err);
/* From <parent of canonical>/submodules/list.json; ERR_NOT_FOUND when there is none. */
int submodule_list_read(const char *canonical, struct submodule_list *out, struct err *err);

/* <parent of canonical>/submodules, allocated. */
char *submodule_list_dir(const char *canonical);

#endif
