/*
 * Editing traces of github.com/josephg/editing-traces: what somebody typed, one patch after the
 * other (sequential), or what several people typed at the same time, each transaction naming the
 * ones its author had seen (concurrent).
 */
#ifndef TOOLS_TRACE_H
#define TOOLS_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define TRACE_MAX ((size_t)1 << 30) /* bytes of JSON */

struct trace_patch {
    uint32_t pos; /* UTF-16 units */
    uint32_t del;
    uint32_t text; /* offset in trace.text */
    uint32_t len;  /* bytes */
};

struct trace_txn {
    uint32_t patch; /* first */
    uint32_t patches;
    uint32_t parent; /* first */
    uint32_t parents;
    uint32_t agent;
};

struct trace {
    bool concurrent;
    uint32_t agents;
    struct str start, end;
    struct str text; /* all inserted texts */
    struct trace_txn *txn;
    size_t txns, cap_txns;
    struct trace_patch *patch;
    size_t patches, cap_patches;
    uint32_t *parent;
    size_t parents, cap_parents;
};

/* Plain JSON or gzip, - is standard input. trace_release is for every outcome. */
int trace_read(const char *path, struct trace *t, struct err *err);
void trace_release(struct trace *t);

#endif
