/*
 * .gitmodules, as strangers write it, and where the submodules named in it lie. Pure.
 *
 * The format is git's configuration file (git-config(1), "Syntax") with sections
 * [submodule "<name>"] and the keys path and url (gitmodules(5)); other sections and keys are
 * passed over.
 */
#ifndef GIT_GITMODULES_H
#define GIT_GITMODULES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/url.h"

#define GITMODULES_BYTES_MAX ((size_t)256 * 1024)
#define GITMODULES_ENTRIES_MAX 32
#define GITMODULES_NAME_MAX 255 /* of a name or a path, bytes */

struct gitmodule {
    char *name;
    char *path; /* NULL: none given */
    char *url;  /* NULL: none given */
};

struct gitmodules {
    struct gitmodule v[GITMODULES_ENTRIES_MAX]; /* in the file's order */
    size_t len;
    bool more; /* there were more, which were left out */
};

void gitmodules_release(struct gitmodules *m);
#define cleanup_gitmodules cleanup(gitmodules_release)

/* *out is initialised here and empty after a failure: ERR_INVALID where git would not read it
 * either, ERR_LIMIT when it is longer than GITMODULES_BYTES_MAX. A key that is there twice: the
 * last counts. Names, paths and URLs are as written: see gitmodule_check. */
int gitmodules_parse(const char *p, size_t len, struct gitmodules *out, struct err *err);

/* The name can be a directory below .git/modules and the path one below a worktree: components of
 * safe_path, UTF-8 without control bytes, no "-" in front, at most GITMODULES_NAME_MAX bytes; and
 * there is a url. ERR_DENIED says what is wrong. */
int gitmodule_check(const struct gitmodule *m, struct err *err);

/*
 * Where a submodule lies: an absolute URL, or one that starts with "./" or "../" and is relative to
 * the superproject's. ERR_DENIED unless it is https or http at exactly base's scheme, host and
 * port: a token that is for base goes nowhere else. Also ERR_DENIED: "." and ".." as a part of the
 * path, a path that leads above the host. ERR_INVALID: no URL at all.
 */
int gitmodule_resolve(const struct repo_url *base, const char *text, struct repo_url *out,
                      struct err *err);

#endif
