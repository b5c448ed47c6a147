/*
 * Archives of ended sessions: <dir>/<session id>.bundle, 0600, written whole or not at all. The
 * directory belongs to the keeper (0700). Calls block; different threads may work on different
 * archives.
 */
#ifndef KEEPER_ARCHIVE_H
#define KEEPER_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/enc.h"
#include "base/err.h"
#include "base/str.h"

#define ARCHIVE_SIZE_MAX (64LL * 1024 * 1024 * 1024)

/* Makes the directory, removes what was left half-written. */
int archive_prepare(const char *dir, struct err *err);

/* One archive being written. */
struct archive_writer;
int archive_begin(const char *dir, const char *session_id, struct archive_writer **out,
                  struct err *err);
/* ERR_LIMIT beyond ARCHIVE_SIZE_MAX, ERR_NO_SPACE. */
int archive_write(struct archive_writer *w, const void *p, size_t n, struct err *err);
/* On the disk under its name when this returns 0. *size: how large it is. Frees w in any case. */
int archive_commit(struct archive_writer *w, int64_t *size, struct err *err);
void archive_abort(struct archive_writer *w); /* NULL is allowed */

struct archive_entry {
    char session_id[SESSION_ID_LEN + 1];
    int64_t size;
    int64_t created_at;
};
struct archive_list {
    struct archive_entry *v;
    size_t len;
    size_t cap;
};
int archive_list(const char *dir, struct archive_list *out, struct err *err);
void archive_list_release(struct archive_list *list);

/* Appends at most length bytes from offset; *size is the whole. ERR_NOT_FOUND. */
int archive_read(const char *dir, const char *session_id, int64_t offset, size_t length,
                 struct str *out, int64_t *size, struct err *err);

/* Removes those made before then; *removed counts them. */
int archive_expire(const char *dir, int64_t before, int64_t *removed, struct err *err);

#endif
