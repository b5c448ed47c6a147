#include "merge/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static void overlap_release(struct merge_overlap *o)
{
    free(o->path);
    free(o->other_path);
    str_release(&o->base);
    str_release(&o->local);
    str_release(&o->canonical);
}

void merge_report_release(struct merge_report *r)
{
    for (size_t i = 0; i < r->len; i++)
        overlap_release(&r->v[i]);
    free(r->v);
    *r = (struct merge_report)MERGE_REPORT_INIT;
}

struct merge_overlap *merge_report_add(struct merge_report *r, enum merge_overlap_kind kind,
                                       enum merge_side by)
{
    VEC_GROW(r->v, r->len, r->cap);
    struct merge_overlap *o = &r->v[r->len++];
    *o = (struct merge_overlap){
        .kind = kind, .by = by, .base = STR_INIT, .local = STR_INIT, .canonical = STR_INIT};
    return o;
}

void merge_report_append(struct merge_report *to, struct merge_report *from)
{
    for (size_t i = 0; i < from->len; i++) {
        VEC_GROW(to->v, to->len, to->cap);
        to->v[to->len++] = from->v[i];
    }
    from->len = 0;
    merge_report_release(from);
}

void merge_report_take(struct merge_report *to, struct merge_report *from, const char *path)
{
    for (size_t i = 0; i < from->len; i++) {
        VEC_GROW(to->v, to->len, to->cap);
        to->v[to->len] = from->v[i];
        free(to->v[to->len].path);
        to->v[to->len++].path = path ? xstrdup(path) : NULL;
    }
    from->len = 0;
    merge_report_release(from);
}

static const char *const words[MERGE_OVERLAP_KINDS] = {
    [MERGE_BOTH_INSERTED] = "both_inserted",
    [MERGE_BOTH_REWROTE] = "both_rewrote",
    [MERGE_DELETED_EDITED] = "deleted_edited",
    [MERGE_BLANKS] = "blanks",
    [MERGE_FILE_DELETED_MODIFIED] = "file_deleted_modified",
    [MERGE_FILE_BOTH_ADDED] = "file_both_added",
    [MERGE_FILE_BINARY] = "file_binary",
    [MERGE_FILE_OVERSIZED] = "file_oversized",
    [MERGE_FILE_TYPE] = "file_type",
    [MERGE_FILE_SYMLINK] = "file_symlink",
    [MERGE_FILE_MODE] = "file_mode",
    [MERGE_FILE_SUBMODULE] = "file_submodule",
    [MERGE_FILE_RENAMED_TWICE] = "file_renamed_twice",
    [MERGE_FILE_RENAMED_ONTO] = "file_renamed_onto",
    [MERGE_FILE_DIRECTORY] = "file_directory",
    [MERGE_FILE_CASE] = "file_case",
};

const char *merge_overlap_word(enum merge_overlap_kind kind)
{
    BUG_ON(kind < 0 || kind >= MERGE_OVERLAP_KINDS);
    return words[kind];
}

const char *merge_side_word(enum merge_side side)
{
    switch (side) {
    case MERGE_LOCAL:
        return "local";
    case MERGE_CANONICAL:
        return "canonical";
    case MERGE_BOTH:
        return "both";
    default:
        return "nobody";
    }
}

static void describe_lines(const struct merge_overlap *o, struct str *out)
{
    if (o->lines == 0)
        str_addf(out, "before line %zu", o->line);
    else if (o->lines == 1)
        str_addf(out, "line %zu", o->line);
    else
        str_addf(out, "lines %zu-%zu", o->line, o->line + o->lines - 1);
}

static void describe_text(const struct merge_overlap *o, struct str *out)
{
    if (o->kind == MERGE_BOTH_INSERTED) {
        str_adds(out, "both inserted at one point, ");
        describe_lines(o, out);
        str_adds(out, ": both sides' lines are there");
    } else if (o->kind == MERGE_BOTH_REWROTE) {
        str_adds(out, "both rewrote ");
        describe_lines(o, out);
        str_adds(out, ": both versions are there, canonical's first");
    } else if (o->kind == MERGE_BLANKS) {
        describe_lines(o, out);
        str_addf(out, ": %s's blanks (indentation, wrapping) gave way to %s's lines",
                 merge_side_word(o->by), o->by == MERGE_LOCAL ? "canonical" : "local");
    } else {
        str_addf(out, "%s deleted what the other side changed, ", merge_side_word(o->by));
        describe_lines(o, out);
        str_adds(out, ": the change stayed");
    }
}

void merge_overlap_describe(const struct merge_overlap *o, struct str *out)
{
    static const char *const sentences[MERGE_OVERLAP_KINDS] = {
        [MERGE_FILE_BOTH_ADDED] = "added on both sides: the two were merged line by line",
        [MERGE_FILE_BINARY] = "changed on both sides and not text: canonical's keeps the name",
        [MERGE_FILE_OVERSIZED] =
            "changed on both sides and too long to merge: canonical's keeps the name",
        [MERGE_FILE_TYPE] = "not the same type of file on both sides: canonical's keeps the name",
        [MERGE_FILE_SYMLINK] = "pointed elsewhere by both sides: canonical's link keeps the name",
        [MERGE_FILE_MODE] = "added on both sides with different modes: it is executable",
        [MERGE_FILE_SUBMODULE] =
            "submodule moved by both sides, neither known to contain the other: canonical's stays",
        [MERGE_FILE_RENAMED_TWICE] = "renamed by both sides: canonical's name stays",
        [MERGE_FILE_RENAMED_ONTO] = "two files came to this name: canonical's keeps it",
        [MERGE_FILE_DIRECTORY] =
            "a file on one side and a directory on the other: canonical's keeps the name",
        [MERGE_FILE_CASE] = "differs from another name in upper and lower case only: both are kept",
    };
    if (o->kind <= MERGE_BLANKS) {
        describe_text(o, out);
        return;
    }
    if (o->kind == MERGE_FILE_DELETED_MODIFIED)
        str_addf(out, "%s deleted the file, the other side changed it: the changed file stayed",
                 merge_side_word(o->by));
    else
        str_adds(out, sentences[o->kind]);
    if (o->other_path) {
        bool other_name = o->kind == MERGE_FILE_RENAMED_TWICE || o->kind == MERGE_FILE_CASE;
        str_adds(out, other_name ? "; local's name is " : "; local's is in ");
        str_add_printable(out, o->other_path, strlen(o->other_path));
    }
}
