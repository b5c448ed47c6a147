/*
 * Names from trees that somebody else made. A tree entry becomes a file only when its name cannot
 * be anything but a file below its directory: on Linux, and for those who copy the worktree to a
 * case-folding, HFS+ or NTFS disk as well. Pure.
 */
#ifndef GIT_SAFE_PATH_H
#define GIT_SAFE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAFE_NAME_MAX 255

/* One component: 1..SAFE_NAME_MAX bytes, no "/" or NUL, not "." or "..", and not ".git" in any
 * disguise: other case, HFS+ ignorable code points inside, NTFS short name (git~1), trailing dots
 * or spaces, or an alternate stream (".git:x"). ".gitignore", ".github" and the like are fine. */
bool safe_name(const char *name, size_t len);

/* The same for a symlink: ".gitmodules", ".gitattributes", ".gitignore" must not be links, because
 * programs open them by name. */
bool safe_entry(const char *name, size_t len, uint32_t mode);

/* Every component of a relative path, at most 4095 bytes. */
bool safe_path(const char *path, size_t len);

#endif
