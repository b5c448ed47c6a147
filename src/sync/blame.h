/* Lines of `git blame --line-porcelain`, read. Pure. */
#ifndef SYNC_BLAME_H
#define SYNC_BLAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "git/oid.h"

struct blame_line {
    struct oid commit;  /* zero: not committed yet */
    uint64_t line;      /* in the file, from 1 */
    uint64_t line_then; /* in the file as that commit had it */
    const char *path;   /* its name there; NULL when not told */
    size_t path_len;
    const char *author; /* into the text, like the rest */
    size_t author_len;
    const char *summary;
    size_t summary_len;
    int64_t time;
    const char *text;
    size_t text_len;
};

/* The next line of *p..*p+*left, which move on. ERR_NOT_FOUND at the end, ERR_INVALID. */
int blame_next(const char **p, size_t *left, struct blame_line *out, struct err *err);

#endif
