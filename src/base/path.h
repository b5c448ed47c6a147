/*
 * Paths. path_open_beneath is the only door into a directory tree whose content somebody else
 * controls: no component may be a symbolic link, nothing may lead out of the tree.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define PATH_REL_MAX 4095 /* longest relative path taken, bytes */

/* openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), O_CLOEXEC and O_NOFOLLOW
 * added; component by component where the kernel has no openat2. rel must satisfy path_is_clean_rel
 * or be ".". Returns a descriptor or a negative code (a link on the way: ERR_DENIED). */
int path_open_beneath(int dirfd, const char *rel, int flags, mode_t mode, struct err *err);

/* Opens the parent directory of rel beneath dirfd and points *name at the last component inside
 * rel. With create set, missing directories are made with mode 0777 & ~umask. */
int path_open_parent(int dirfd, const char *rel, bool create, const char **name, struct err *err);

/* Relative, no empty, "." or ".." component, no leading or trailing slash, length
 * in 1..PATH_REL_MAX. */
bool path_is_clean_rel(const char *rel);

/* One component, for names that come from outside: clean, no slash, at most 255 bytes. */
bool path_is_name(const char *name);

struct stat;
/* May somebody other than `owner` and root change what lies in this directory? Where only root's
 * sticky bit keeps others from it, as in /tmp, the answer is no, and *sticky is set. */
bool path_dir_is_open(const struct stat *st, uid_t owner, bool *sticky);

/* mkdir -p with the mode for the directories that are made. */
int path_make_dirs(const char *path, mode_t mode, struct err *err);

/* Removes name below dirfd with everything in it; never follows a link; absent is success. */
int path_remove_tree(int dirfd, const char *name, struct err *err);

/* a + "/" + b, allocated; b absolute gives b. */
char *path_join(const char *a, const char *b);

/* For tests: behave as on a kernel without openat2. */
void path_force_fallback(bool on);

#endif
