/*
 * The result of a weave (merge/weave.h) from a document that the three updates converge to.
 */
#ifndef MERGE_CONVERGE_H
#define MERGE_CONVERGE_H

#include <stdbool.h>

#include "merge/weave.h"

/* The result, from a document that the three updates converge to. `raw`: the texts are not UTF-8
 * (ycrdt's YCRDT_RAW). `updates` may be NULL. ERR_LIMIT as ycrdt has it. */
int weave_converge(const struct weave *w, bool raw, struct str *out, struct merge_updates *updates,
                   struct err *err);

#endif
