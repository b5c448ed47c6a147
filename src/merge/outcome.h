/*
 * Every file that a tree merge decided on, and the names they get: where two claim one name, or
 * one a name below the other, canonical's keeps it and local's goes beside it.
 */
#ifndef MERGE_OUTCOME_H
#define MERGE_OUTCOME_H

#include <stdbool.h>

#include "merge/paths.h"
#include "merge/report.h"

struct outcome {
    char *path;
    struct file file;
    enum merge_side owner; /* LOCAL: the name is only local's; CANONICAL: canonical has it too */
    bool beside;           /* wants a name beside `path`, for the reason `kind` */
    enum merge_overlap_kind kind;
    size_t report_from, report_to; /* its overlaps in the report */
};

struct outcomes {
    struct outcome *v;
    size_t len;
    size_t cap;
};
#define OUTCOMES_INIT \
    {                 \
        NULL, 0, 0    \
    }
void outcomes_release(struct outcomes *o);

struct outcome *outcomes_add(struct outcomes *o, const char *path, const struct file *file,
                             enum merge_side owner);

struct naming {
    const struct merge_store *store;
    const char *login;
    const struct merge_oid *local, *canonical; /* trees: names in them are taken */
    const struct path_changes *changes;        /* names of the base among the outcomes */
};

/* Gives every outcome a path of its own, no file below another; sorts them by path. Reports what
 * had to move, and names that differ in case only. */
int outcomes_settle(struct outcomes *o, const struct naming *naming, struct merge_report *report,
                    struct err *err);

#endif
