/*
 * The floor: a sequential trace in a plain gap buffer, without history, ids or anything to merge.
 * Prints the milliseconds of the fastest of several runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "trace.h"

#define RUNS 9

struct gap {
    char *p;
    size_t cap;
    size_t begin; /* of the gap */
    size_t end;
};

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void move_gap(struct gap *g, size_t pos)
{
    if (pos < g->begin) {
        size_t n = g->begin - pos;
        memmove(g->p + g->end - n, g->p + pos, n);
        g->begin -= n;
        g->end -= n;
    } else if (pos > g->begin) {
        size_t n = pos - g->begin;
        memmove(g->p + g->begin, g->p + g->end, n);
        g->begin += n;
        g->end += n;
    }
}

static void grow(struct gap *g, size_t n)
{
    size_t tail = g->cap - g->end, cap = (g->cap + n) * 2;
    g->p = xrealloc(g->p, cap);
    memmove(g->p + cap - tail, g->p + g->end, tail);
    g->end = cap - tail;
    g->cap = cap;
}

static int replay(const struct trace *t, struct gap *g)
{
    for (size_t i = 0; i < t->patches; i++) {
        const struct trace_patch *p = &t->patch[i];
        if ((size_t)p->pos + p->del > g->cap - (g->end - g->begin))
            return -1;
        move_gap(g, p->pos);
        g->end += p->del;
        if (g->end - g->begin < p->len)
            grow(g, p->len);
        memcpy(g->p + g->begin, t->text.p + p->text, p->len);
        g->begin += p->len;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct trace t;
    struct err err = ERR_INIT;
    double best = 0;
    if (argc != 2)
        return 2;
    if (trace_read(argv[1], &t, &err) != 0) {
        fprintf(stderr, "floor: %s\n", err.msg);
        return 1;
    }
    bool same = !t.concurrent;
    for (int i = 0; i < RUNS && same; i++) {
        struct gap g = {xmalloc(64), 64, 0, 64};
        double begin = now_ms();
        int code = replay(&t, &g);
        double ms = now_ms() - begin;
        best = i == 0 || ms < best ? ms : best;
        move_gap(&g, g.cap - (g.end - g.begin));
        same = code == 0 && g.begin == t.end.len && memcmp(g.p, t.end.p, g.begin) == 0;
        free(g.p);
    }
    printf("{\"same\":%s,\"replay_ms\":%.3f}\n", same ? "true" : "false", best);
    trace_release(&t);
    return same ? 0 : 1;
}
