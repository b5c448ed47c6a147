/*
 * What a person has changed since the last sync: files and ranges of lines, never content. Made by
 * a process of that person's own (watch/scan.h), kept by the agent, shown to the others.
 *
 * As JSON: {"base": commit, "files": [{"file", "change": "A|M|D", "base": ranges, "lines":
 * ranges}], "more": bool, "editing": file, "edited_at": T}; `base` of a file are lines of the base
 * commit, `lines` those of the file now; both empty: the whole file (binary, or too long to look
 * at).
 */
#ifndef WATCH_UNSYNCED_H
#define WATCH_UNSYNCED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "git/oid.h"
#include "watch/ranges.h"

#define UNSYNCED_FILES_MAX 500
#define UNSYNCED_TEXT_MAX ((size_t)256 * 1024) /* all paths and ranges of one person together */

struct unsynced_file {
    char *path;  /* UTF-8, clean and relative */
    char change; /* 'A', 'M' or 'D' */
    struct line_ranges base;
    struct line_ranges lines;
};

struct unsynced {
    struct oid base;
    struct unsynced_file *v; /* by path */
    size_t len;
    size_t cap;
    size_t text;       /* bytes counted against UNSYNCED_TEXT_MAX */
    bool more;         /* something did not fit, or has a name that is not UTF-8 */
    char *editing;     /* NULL: nothing was saved lately */
    int64_t edited_at; /* Unix seconds */
};
#define UNSYNCED_INIT \
    {                 \
        .v = NULL     \
    }
void unsynced_release(struct unsynced *u);
#define cleanup_unsynced cleanup(unsynced_release)

/* NULL when it is full or the path cannot be told; `more` is set then. */
struct unsynced_file *unsynced_add(struct unsynced *u, const char *path, char change);
const struct unsynced_file *unsynced_find(const struct unsynced *u, const char *path);
/* By path, once all are added. */
void unsynced_sort(struct unsynced *u);

/* Reads what a stranger sent; *out is initialised here and empty after a failure. */
int unsynced_from_json(struct json_object *obj, struct unsynced *out, struct err *err);
/* Adds the members to obj. */
void unsynced_to_json(const struct unsynced *u, struct json_object *obj);

/* --- git's answers ------------------------------------------------------------------------------
 */

/* Output of `git diff --raw -p -z -U0`: adds its files with their ranges. */
int unsynced_take_diff(struct unsynced *u, const char *text, size_t len, struct err *err);

/* The file that an editor's temporary file stands for ("d/.x.c.swp": "d/x.c"); allocated. NULL: it
 * is the file itself. */
char *unsynced_edited_name(const char *path);

#endif
