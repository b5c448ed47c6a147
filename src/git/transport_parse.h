/* What the git command prints, read. Pure; every input is hostile. */
#ifndef GIT_TRANSPORT_PARSE_H
#define GIT_TRANSPORT_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "git/oid.h"

/* One line of `--progress`: "Receiving objects:  45% (9/20), ..." gives stage "Receiving objects"
 * and 45; a "remote: " prefix is taken off. False when the line is something else. stage points
 * into line and has stage_len bytes. */
bool transport_parse_progress(const char *line, size_t len, const char **stage, size_t *stage_len,
                              int *percent);

/* How much came so far, in such a line: "3.20 MiB" of "..., 3.20 MiB | 1.10 MiB/s". Points into
 * line; false when it is not told. */
bool transport_parse_amount(const char *line, size_t len, const char **amount, size_t *amount_len);

/* Classification of what the command said on stderr when it failed. */
struct transport_verdict {
    int code;           /* enum err_code */
    const char *reason; /* a word of failed.reason */
};
struct transport_verdict transport_classify(const char *text, size_t len);

/* The line of stderr that says most, without "fatal: " or "remote: " and made printable. */
void transport_main_line(const char *text, size_t len, struct str *out);

enum transport_ref_flag {
    TRANSPORT_REF_OK,       /* ' ', '*' new, '=' up to date */
    TRANSPORT_REF_FORCED,   /* '+' */
    TRANSPORT_REF_DELETED,  /* '-' */
    TRANSPORT_REF_MOVED,    /* '!' non-fast-forward, fetch first, stale info */
    TRANSPORT_REF_REJECTED, /* '!' anything else; reason is set */
};
struct transport_ref_line {
    enum transport_ref_flag flag;
    const char *from, *to, *reason; /* into line, not terminated; reason may be NULL */
    size_t from_len, to_len, reason_len;
};
/* One line of `git push --porcelain`: "<flag>\t<from>:<to>\t<summary> (<reason>)". Other lines
 * ("To ...", "Done") give ERR_NOT_FOUND without text, malformed ones ERR_INVALID. */
int transport_parse_push_line(const char *line, size_t len, struct transport_ref_line *out,
                              struct err *err);

/* One line of `git ls-remote`: "<oid>\t<ref>". */
int transport_parse_ls_line(const char *line, size_t len, struct oid *oid, const char **ref,
                            size_t *ref_len, struct err *err);

#endif
