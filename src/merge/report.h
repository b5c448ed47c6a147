/*
 * What a merge has to tell its people: the places where both sides were at work and a person might
 * have decided otherwise. Nothing is ever left out of the result because of an overlap; the report
 * says where to look.
 *
 * Text overlaps carry a line range of the merged file and both sides' text; tree overlaps carry
 * paths. A report owns everything it points to. No I/O, no error: an empty report is a clean merge.
 */
#ifndef MERGE_REPORT_H
#define MERGE_REPORT_H

#include <stddef.h>

#include "base/str.h"

enum merge_side {
    MERGE_NOBODY,
    MERGE_LOCAL,
    MERGE_CANONICAL,
    MERGE_BOTH,
};

enum merge_overlap_kind {
    /* in a text: `line`, `lines` and both texts are set */
    MERGE_BOTH_INSERTED,  /* at one point: canonical's lines first, then local's */
    MERGE_BOTH_REWROTE,   /* the same lines differently: both versions whole, canonical's first */
    MERGE_DELETED_EDITED, /* `by` deleted what the other changed: the change stayed */
    MERGE_BLANKS,         /* `by` changed nothing but blanks, or the same words with other blanks:
                             the other's lines stand alone */

    /* in a tree: `path` and, where it says so, `other_path` */
    MERGE_FILE_DELETED_MODIFIED, /* `by` deleted the file, the other's version stayed */
    MERGE_FILE_BOTH_ADDED,       /* text: merged line by line without a common base */
    MERGE_FILE_BINARY,           /* canonical keeps `path`, local's content is at `other_path` */
    MERGE_FILE_OVERSIZED,        /* the same, because a version is longer than the maximum */
    MERGE_FILE_TYPE,             /* file, symlink or submodule on one side, another type on the
                                    other: canonical keeps `path`, local's is at `other_path` */
    MERGE_FILE_SYMLINK,          /* two targets: canonical keeps `path`, local's at `other_path` */
    MERGE_FILE_MODE,             /* added by both with different mode: executable wins */
    MERGE_FILE_SUBMODULE,        /* two commits, neither known to contain the other: canonical's
                                    stays, local's commit id is in `local` */
    MERGE_FILE_RENAMED_TWICE,    /* to `path` by canonical and to `other_path` by local: it is at
                                    `path`, with the edits of both */
    MERGE_FILE_RENAMED_ONTO,     /* two files came to one name: canonical's keeps `path`, local's
                                    is at `other_path` */
    MERGE_FILE_DIRECTORY,        /* file on one side, directory on the other: canonical's keeps
                                    `path`, local's is at `other_path` */
    MERGE_FILE_CASE,             /* `path` (canonical's) and `other_path` (local's) differ in case
                                    only; both are there */
    MERGE_OVERLAP_KINDS
};

/* Bytes of a side's text that a report keeps for one overlap. */
#define MERGE_REPORT_TEXT_MAX 65536

struct merge_overlap {
    enum merge_overlap_kind kind;
    enum merge_side by; /* for the kinds that say so; else MERGE_BOTH */
    char *path;         /* NULL from merge_text */
    char *other_path;   /* NULL where the kind does not use it */
    size_t line;        /* first line in the result, from 1; 0 where the kind has no lines */
    size_t lines;       /* 0: nothing of it is visible in the result, it is before `line` */
    struct str base;    /* the text of the affected lines in each version, cut at */
    struct str local;   /* MERGE_REPORT_TEXT_MAX bytes; empty where that side has none */
    struct str canonical;
};

struct merge_report {
    struct merge_overlap *v; /* in the order of the result */
    size_t len;
    size_t cap;
};
#define MERGE_REPORT_INIT \
    {                     \
        NULL, 0, 0        \
    }

void merge_report_release(struct merge_report *r);
#define cleanup_merge_report cleanup(merge_report_release)

/* Appends an overlap with nothing but kind and `by` set; the caller fills it in. The pointer is
 * good until the next call. */
struct merge_overlap *merge_report_add(struct merge_report *r, enum merge_overlap_kind kind,
                                       enum merge_side by);

/* Moves every overlap of `from` to the end of `to`. */
void merge_report_append(struct merge_report *to, struct merge_report *from);

/* The same with `path` (or NULL) as its path. */
void merge_report_take(struct merge_report *to, struct merge_report *from, const char *path);

/* Stable lower-case word ("both_rewrote"), for --json and logs. */
const char *merge_overlap_word(enum merge_overlap_kind kind);

/* One sentence for people, without a newline: "both rewrote lines 3-4; both versions are kept". */
void merge_overlap_describe(const struct merge_overlap *o, struct str *out);

/* "local", "canonical", "both" or "nobody". */
const char *merge_side_word(enum merge_side side);

#endif
