/*
 * Which files cannot be copied as they are between the object store and the worktree: end-of-line
 * conversion, encodings, filters, keyword expansion. For those the git command does the work; all
 * others are written by our own code.
 */
#ifndef SYNC_ATTRS_H
#define SYNC_ATTRS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define ATTRS_FILE_MAX ((size_t)1 << 20)

struct attrs_repo {
    const char *git_dir;
    const char *work_tree;
};

/* Can this .gitattributes text ask for a conversion? A quick look that errs on the safe side. */
bool attrs_text_converts(const char *text, size_t len);

/* What the person's own configuration and attributes ask for. */
struct attrs_config {
    bool all;         /* every text file is converted (core.autocrlf, core.eol) */
    bool some;        /* attributes outside the tree exist */
    bool ignore_case; /* core.ignoreCase */
};
int attrs_config(const struct attrs_repo *repo, struct attrs_config *out, struct err *err);

/* Asks git for n paths, by the .gitattributes that are in the worktree now. */
int attrs_converted(const struct attrs_repo *repo, const char *const *paths, size_t n,
                    bool *converted, struct err *err);

#endif
