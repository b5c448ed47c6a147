/*
 * Kinds of work, each in fresh documents:
 *   replay  one transaction for each patch, nobody listening; the fastest of several
 *   update  the same with the update of each transaction written
 *   apply   those updates into an empty document, one by one
 *   merge   those updates into one without a document
 *   encode  the whole state as one update
 *   load    that update into an empty document, and its text read
 *   live    (concurrent traces) every author has a document, every transaction is written and
 *           delivered to the others when the trace says that they had seen it
 */
#include "replay.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "ycrdt/ycrdt.h"

#define ROOT "content"
#define LOADS 9
#define REPLAYS 9 /* as many as the gap buffer has in bench/crdt/floor.c */
#define AUTHOR 1  /* client of a single author; those of concurrent traces follow */

/* Processor time: other jobs on the machine do not count. */
static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static size_t heap_now(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

/* Updates one behind the other, with where each begins. */
struct log {
    struct str bytes;
    size_t *at;
    size_t len, cap;
};

static void log_mark(struct log *log)
{
    VEC_GROW(log->at, log->len, log->cap);
    log->at[log->len++] = log->bytes.len;
}

static struct ycrdt_buf log_get(const struct log *log, size_t i)
{
    size_t end = i + 1 < log->len ? log->at[i + 1] : log->bytes.len;
    return (struct ycrdt_buf){log->bytes.p + log->at[i], end - log->at[i]};
}

struct figures {
    double replay, update, apply, merge, encode, load, live;
    size_t heap, heap_load, structs, updates_size, merged_size, state_size, text;
};

static int patch(struct ycrdt *d, unsigned text, const struct trace *t, const struct trace_patch *p,
                 struct err *err)
{
    int code = p->del ? ycrdt_delete(d, text, p->pos, p->del, err) : 0;
    if (code == 0 && p->len)
        code = ycrdt_insert(d, text, p->pos, t->text.p + p->text, p->len, err);
    return code;
}

/* A transaction for each patch; log: NULL, or where the updates go. */
static int type_all(struct ycrdt *d, const struct trace *t, struct log *log, struct err *err)
{
    unsigned text = ycrdt_text(d, ROOT);
    int code = 0;
    if (t->start.len) {
        if (log)
            log_mark(log);
        ycrdt_begin(d);
        code = ycrdt_insert(d, text, 0, t->start.p, t->start.len, err);
        ycrdt_commit(d, log ? &log->bytes : NULL);
    }
    for (size_t i = 0; i < t->patches && code == 0; i++) {
        if (log)
            log_mark(log);
        ycrdt_begin(d);
        code = patch(d, text, t, &t->patch[i], err);
        ycrdt_commit(d, log ? &log->bytes : NULL);
    }
    return code;
}

static bool text_is(struct ycrdt *d, const struct str *want)
{
    cleanup_str struct str s = STR_INIT;
    ycrdt_read(d, ycrdt_text(d, ROOT), &s);
    return s.len == want->len && memcmp(s.p, want->p, s.len) == 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int measure_state(struct ycrdt *d, struct figures *f, const struct str *want, bool *same,
                         struct err *err)
{
    cleanup_str struct str state = STR_INIT;
    double times[LOADS];
    double begin = now_ms();
    int code = ycrdt_encode(d, NULL, 0, &state, err);
    f->encode = now_ms() - begin;
    f->state_size = state.len;
    for (int i = 0; i < LOADS && code == 0; i++) {
        cleanup_str struct str text = STR_INIT;
        size_t before = heap_now();
        begin = now_ms();
        cleanup_ycrdt struct ycrdt *copy = ycrdt_new(AUTHOR, 0);
        code = ycrdt_apply(copy, state.p, state.len, err);
        ycrdt_read(copy, ycrdt_text(copy, ROOT), &text);
        times[i] = now_ms() - begin;
        f->heap_load = heap_now() - before - text.cap;
        *same = *same && text.len == want->len && memcmp(text.p, want->p, text.len) == 0;
    }
    qsort(times, LOADS, sizeof *times, by_value);
    f->load = times[LOADS / 2];
    return code;
}

static int measure_log(const struct log *log, struct figures *f, const struct str *want, bool *same,
                       struct err *err)
{
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(AUTHOR + 1000, 0);
    cleanup_str struct str merged = STR_INIT;
    cleanup_free struct ycrdt_buf *all = xreallocarray(NULL, log->len + 1, sizeof *all);
    int code = 0;
    for (size_t i = 0; i < log->len; i++)
        all[i] = log_get(log, i);
    f->updates_size = log->bytes.len;
    double begin = now_ms();
    for (size_t i = 0; i < log->len && code == 0; i++)
        code = ycrdt_apply(d, all[i].p, all[i].n, err);
    f->apply = now_ms() - begin;
    *same = *same && text_is(d, want);
    if (code != 0)
        return code;
    begin = now_ms();
    code = ycrdt_merge_updates(all, log->len, &merged, err);
    f->merge = now_ms() - begin;
    f->merged_size = merged.len;
    return code;
}

/* *d: NULL, or a document that is freed first; what was typed stays in it. */
static int type_once(struct ycrdt **d, const struct trace *t, struct figures *f, struct err *err)
{
    ycrdt_free(*d);
    size_t before = heap_now();
    *d = ycrdt_new(AUTHOR, 0);
    double begin = now_ms();
    int code = type_all(*d, t, NULL, err);
    double ms = now_ms() - begin;
    f->replay = f->replay == 0 || ms < f->replay ? ms : f->replay;
    f->heap = heap_now() - before;
    return code;
}

static int sequential(const struct trace *t, struct figures *f, bool *same, struct err *err)
{
    struct log log = {.bytes = STR_INIT};
    cleanup_ycrdt struct ycrdt *d = NULL;
    int code = 0;
    for (int i = 0; i < REPLAYS && code == 0; i++)
        code = type_once(&d, t, f, err);
    struct ycrdt_stats stats;
    ycrdt_stats(d, &stats);
    f->structs = stats.structs;
    f->text = t->end.len;
    *same = code == 0 && text_is(d, &t->end);
    if (code == 0) {
        cleanup_ycrdt struct ycrdt *teller = ycrdt_new(AUTHOR, 0);
        double begin = now_ms();
        code = type_all(teller, t, &log, err);
        f->update = now_ms() - begin;
    }
    if (code == 0)
        code = measure_log(&log, f, &t->end, same, err);
    if (code == 0)
        code = measure_state(d, f, &t->end, same, err);
    str_release(&log.bytes);
    free(log.at);
    return code;
}

/* --- concurrent traces
 * ------------------------------------------------------------------------------ */

struct author {
    struct ycrdt *doc;
    unsigned text;
    bool *seen; /* by transaction */
};

struct numbers {
    uint32_t *v;
    size_t len, cap;
};

static void add_unseen(struct author *a, const struct trace *t, size_t txn, struct numbers *todo)
{
    const struct trace_txn *x = &t->txn[txn];
    for (uint32_t k = 0; k < x->parents; k++) {
        uint32_t p = t->parent[x->parent + k];
        if (a->seen[p])
            continue;
        a->seen[p] = true;
        VEC_GROW(todo->v, todo->len, todo->cap);
        todo->v[todo->len++] = p;
    }
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Delivers what the author of a transaction had seen before it, oldest first. */
static int catch_up(const struct trace *t, const struct log *log, struct author *a, size_t txn,
                    struct numbers *todo, struct err *err)
{
    todo->len = 0;
    add_unseen(a, t, txn, todo);
    for (size_t i = 0; i < todo->len; i++)
        add_unseen(a, t, todo->v[i], todo);
    if (todo->len > 1)
        qsort(todo->v, todo->len, sizeof *todo->v, by_number);
    int code = 0;
    for (size_t i = 0; i < todo->len && code == 0; i++) {
        struct ycrdt_buf b = log_get(log, todo->v[i]);
        code = ycrdt_apply(a->doc, b.p, b.n, err);
    }
    return code;
}

static int live(const struct trace *t, struct author *authors, struct log *log, struct err *err)
{
    struct numbers todo = {NULL, 0, 0};
    int code = 0;
    for (size_t i = 0; i < t->txns && code == 0; i++) {
        const struct trace_txn *x = &t->txn[i];
        struct author *a = &authors[x->agent];
        code = catch_up(t, log, a, i, &todo, err);
        log_mark(log);
        ycrdt_begin(a->doc);
        for (uint32_t k = 0; k < x->patches && code == 0; k++)
            code = patch(a->doc, a->text, t, &t->patch[x->patch + k], err);
        ycrdt_commit(a->doc, &log->bytes);
        a->seen[i] = true;
    }
    free(todo.v);
    return code;
}

/* The rest of the log for everybody, whose texts must be alike then. */
static int level(const struct trace *t, struct author *authors, const struct log *log, bool *same,
                 struct err *err)
{
    int code = 0;
    for (uint32_t k = 0; k < t->agents; k++) {
        for (size_t i = 0; i < t->txns && code == 0; i++) {
            struct ycrdt_buf b = log_get(log, i);
            if (!authors[k].seen[i])
                code = ycrdt_apply(authors[k].doc, b.p, b.n, err);
        }
        *same = *same && text_is(authors[k].doc, &t->end);
    }
    return code;
}

static int concurrent(const struct trace *t, struct figures *f, bool *same, struct err *err)
{
    struct log log = {.bytes = STR_INIT};
    size_t before = heap_now();
    struct author *authors = xcalloc(t->agents, sizeof *authors);
    for (uint32_t k = 0; k < t->agents; k++) {
        authors[k].doc = ycrdt_new(AUTHOR + k, 0);
        authors[k].text = ycrdt_text(authors[k].doc, ROOT);
        authors[k].seen = xcalloc(t->txns, sizeof(bool));
    }
    double begin = now_ms();
    int code = live(t, authors, &log, err);
    f->live = now_ms() - begin;
    f->heap = heap_now() - before;
    *same = true;
    if (code == 0)
        code = level(t, authors, &log, same, err);
    if (code == 0)
        code = measure_log(&log, f, &t->end, same, err);
    if (code == 0)
        code = measure_state(authors[0].doc, f, &t->end, same, err);
    struct ycrdt_stats stats;
    ycrdt_stats(authors[0].doc, &stats);
    f->structs = stats.structs;
    f->text = t->end.len;
    for (uint32_t k = 0; k < t->agents; k++) {
        ycrdt_free(authors[k].doc);
        free(authors[k].seen);
    }
    free(authors);
    str_release(&log.bytes);
    free(log.at);
    return code;
}

/* --- printing
 * --------------------------------------------------------------------------------------- */

static void print_json(const struct trace *t, const char *name, const struct figures *f, bool same)
{
    printf("{\"trace\":\"%s\",\"patches\":%zu,\"same\":%s,", name, t->patches,
           same ? "true" : "false");
    if (t->concurrent)
        printf("\"live_ms\":%.3f,", f->live);
    else
        printf("\"replay_ms\":%.3f,\"update_ms\":%.3f,", f->replay, f->update);
    printf("\"apply_ms\":%.3f,\"merge_ms\":%.3f,\"encode_ms\":%.3f,\"load_ms\":%.3f,", f->apply,
           f->merge, f->encode, f->load);
    printf("\"heap\":%zu,\"heap_load\":%zu,\"structs\":%zu,\"updates_size\":%zu,"
           "\"merged_size\":%zu,\"state_size\":%zu,\"text\":%zu}\n",
           f->heap, f->heap_load, f->structs, f->updates_size, f->merged_size, f->state_size,
           f->text);
}

static void print_text(const struct trace *t, const char *name, const struct figures *f, bool same)
{
    printf("%s: %zu patches, %zu bytes of text\n", name, t->patches, f->text);
    if (t->concurrent) {
        printf("  live, every transaction delivered  %9.2f ms\n", f->live);
    } else {
        printf("  replay, a transaction per patch    %9.2f ms\n", f->replay);
        printf("  the same, every update written     %9.2f ms\n", f->update);
    }
    printf("  apply those updates one by one     %9.2f ms  %zu bytes\n", f->apply, f->updates_size);
    printf("  merge those updates                %9.2f ms  %zu bytes\n", f->merge, f->merged_size);
    printf("  encode the state                   %9.2f ms  %zu bytes\n", f->encode, f->state_size);
    printf("  load it and read the text          %9.2f ms\n", f->load);
    printf("  live memory                        %9zu bytes in %zu structs, %zu after loading\n",
           f->heap, f->structs, f->heap_load);
    printf("  end content                        %s\n", same ? "matches" : "DIFFERS");
}

int replay(const struct trace *t, const char *name, bool json, bool *same, struct err *err)
{
    struct figures f = {0};
    int code = t->concurrent ? concurrent(t, &f, same, err) : sequential(t, &f, same, err);
    if (code != 0)
        return code;
    if (json)
        print_json(t, name, &f, *same);
    else
        print_text(t, name, &f, *same);
    return 0;
}
