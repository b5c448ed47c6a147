/*
 * Writes a POSIX ustar archive (IEEE 1003.1-1988, section 10.1.1) in memory. Pure. Owners are
 * numbers, times are 0, names are relative and at most 100 bytes.
 */
#ifndef ENGINE_TAR_H
#define ENGINE_TAR_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

#define TAR_NAME_MAX 100
#define TAR_FILE_MAX (32UL * 1024 * 1024)

int tar_add_file(struct str *tar, const char *name, mode_t mode, uid_t uid, gid_t gid,
                 const void *data, size_t n, struct err *err);
int tar_add_dir(struct str *tar, const char *name, mode_t mode, uid_t uid, gid_t gid,
                struct err *err);
/* The two empty blocks at the end. */
void tar_finish(struct str *tar);

#endif
