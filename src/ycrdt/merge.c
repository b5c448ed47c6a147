/*
 * Updates without a document: joining many into one, cutting down to what somebody lacks. The
 * order of structs, the gaps written as skips and the cut at overlaps are those of Yjs, with a heap
 * in place of its repeated sorting.
 */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

/* --- writing structs by client
 * ---------------------------------------------------------------------- */

struct writer {
    struct str out; /* finished sections */
    struct str sect;
    uint64_t client;
    size_t structs; /* in sect */
    size_t sections;
    bool raw;
};

static void flush_section(struct writer *w)
{
    if (w->structs == 0)
        return;
    str_add_var(&w->out, w->structs);
    str_add(&w->out, w->sect.p, w->sect.len);
    str_clear(&w->sect);
    w->structs = 0;
    w->sections++;
}

static void write_rec(struct writer *w, const struct rec *rec)
{
    if (w->structs > 0 && w->client != rec->client)
        flush_section(w);
    if (w->structs == 0) {
        w->client = rec->client;
        str_add_var(&w->sect, rec->client);
        str_add_var(&w->sect, rec->clock);
    }
    rec_write(&w->sect, rec, w->raw);
    w->structs++;
}

static void writer_release(struct writer *w)
{
    str_release(&w->out);
    str_release(&w->sect);
}

static void finish(struct writer *w, struct ranges *deleted, struct str *out)
{
    flush_section(w);
    ranges_normalize(deleted);
    str_add_var(out, w->sections);
    str_add(out, w->out.p, w->out.len);
    ranges_write(deleted, out);
    writer_release(w);
}

/* --- reading structs one after the other
 * ------------------------------------------------------------ */

struct reader {
    struct update u;
    enum rec_mode mode;
    size_t sect; /* sections left, the highest client first */
    struct rec cur;
    bool more;
    int64_t order; /* among readers at the same place */
};

static void next_struct(struct reader *r)
{
    while (r->sect > 0) {
        struct sect *s = &r->u.sect[r->sect - 1];
        if (s->left > 0) {
            BUG_ON(rec_read(&s->at, r->mode, s->client, s->clock, &r->cur) != 0);
            s->clock += r->cur.len;
            s->left--;
            r->more = true;
            return;
        }
        r->sect--;
    }
    r->more = false;
}

static void next_no_skip(struct reader *r)
{
    do
        next_struct(r);
    while (r->more && r->cur.kind == K_SKIP);
}

static int reader_init(struct reader *r, const void *p, size_t n, bool raw, struct err *err)
{
    int code = update_parse(&r->u, p, n, raw ? REC_CHECK_RAW : REC_CHECK, err);
    r->mode = raw ? REC_TRUST_RAW : REC_TRUST;
    r->sect = code == 0 ? r->u.nsect : 0;
    r->more = false;
    r->order = 0;
    return code;
}

/* --- merging
 * ------------------------------------------------------------------------------------------ */

struct heap {
    struct reader **v;
    size_t n;
    bool ambiguous; /* a collected struct met the same one in full */
};

static bool before(struct heap *h, const struct reader *a, const struct reader *b)
{
    if (a->cur.client != b->cur.client)
        return a->cur.client > b->cur.client;
    if (a->cur.clock != b->cur.clock)
        return a->cur.clock < b->cur.clock;
    if ((a->cur.kind == K_GC) != (b->cur.kind == K_GC))
        h->ambiguous = true;
    return a->order < b->order;
}

static void sift_down(struct heap *h, size_t i)
{
    struct reader *r = h->v[i];
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= h->n)
            break;
        if (c + 1 < h->n && before(h, h->v[c + 1], h->v[c]))
            c++;
        if (!before(h, h->v[c], r))
            break;
        h->v[i] = h->v[c];
        i = c;
    }
    h->v[i] = r;
}

static uint32_t rec_end(const struct rec *r)
{
    return r->clock + r->len;
}

static void cut_front(struct rec *r, uint32_t n)
{
    r->skip += n;
    r->clock += n;
    r->len -= n;
}

/* Structs of one kind without content grow together; all others stay as they are. */
static bool grow(struct rec *r, const struct rec *more)
{
    if (r->kind != more->kind || r->kind != K_GC)
        return false;
    r->len += more->len;
    return true;
}

struct merge {
    struct writer w;
    struct rec cur; /* not written yet: the next struct may change it */
    bool have;
};

static void put(struct merge *m, const struct rec *next)
{
    if (m->have)
        write_rec(&m->w, &m->cur);
    m->cur = *next;
    m->have = true;
}

static struct rec gap(const struct rec *after, uint32_t until)
{
    struct rec r = {.kind = K_SKIP, .info = K_SKIP, .client = after->client};
    r.clock = rec_end(after);
    r.len = until - r.clock;
    return r;
}

/* Takes the reader's struct on, the reader being the first in order. */
static void merge_step(struct merge *m, struct reader *r)
{
    uint64_t first = r->cur.client;
    if (m->have) {
        bool passed = false;
        while (r->more && rec_end(&r->cur) <= rec_end(&m->cur) && r->cur.client >= m->cur.client) {
            next_no_skip(r);
            passed = true;
        }
        if (!r->more || r->cur.client != first || (passed && r->cur.clock > rec_end(&m->cur)))
            return;
        if (first != m->cur.client) {
            put(m, &r->cur);
            next_no_skip(r);
        } else if (rec_end(&m->cur) < r->cur.clock) {
            if (m->cur.kind == K_SKIP) {
                m->cur.len = rec_end(&r->cur) - m->cur.clock;
            } else {
                struct rec skip = gap(&m->cur, r->cur.clock);
                put(m, &skip);
            }
        } else {
            struct rec cur = r->cur;
            uint32_t over = rec_end(&m->cur) - cur.clock;
            if (over > 0 && m->cur.kind == K_SKIP)
                m->cur.len -= over;
            else if (over > 0)
                cut_front(&cur, over);
            if (!grow(&m->cur, &cur)) {
                put(m, &cur);
                next_no_skip(r);
            }
        }
    } else {
        put(m, &r->cur);
        next_no_skip(r);
    }
    while (r->more && r->cur.client == first && r->cur.clock == rec_end(&m->cur)) {
        put(m, &r->cur);
        next_no_skip(r);
    }
}

/* Stops at an ambiguity when that is to be settled in another way. */
static void merge_by_heap(struct heap *h, struct merge *m, bool stop)
{
    int64_t order = 0;
    for (size_t i = h->n; i-- > 0;)
        sift_down(h, i);
    while (h->n > 0 && !(stop && h->ambiguous)) {
        struct reader *r = h->v[0];
        merge_step(m, r);
        /* Of readers at one place the one that moved last goes first, as in a stable sort. */
        r->order = --order;
        if (!r->more)
            h->v[0] = h->v[--h->n];
        if (h->n > 0)
            sift_down(h, 0);
    }
}

/*
 * Where one update has a struct in full and another has it collected, Yjs' comparison puts either
 * in front of the other, so that which of them is written depends on how Array.prototype.sort
 * works: in V8 an initial run, reversed when it falls, then binary insertion, for up to SORT_RUN
 * elements.
 */
#define SORT_RUN 63

static bool sorts_before(const struct reader *a, const struct reader *b)
{
    if (a->cur.client != b->cur.client)
        return a->cur.client > b->cur.client;
    if (a->cur.clock != b->cur.clock)
        return a->cur.clock < b->cur.clock;
    return (a->cur.kind == K_GC) != (b->cur.kind == K_GC);
}

static void sort_as_v8(struct reader **v, size_t n)
{
    size_t run = n < 2 ? n : 2;
    if (n < 2)
        return;
    bool falling = sorts_before(v[1], v[0]);
    while (run < n && sorts_before(v[run], v[run - 1]) == falling)
        run++;
    for (size_t i = 0, j = run; falling && i + 1 < j; i++) {
        struct reader *t = v[i];
        v[i] = v[--j];
        v[j] = t;
    }
    for (; run < n; run++) {
        struct reader *pivot = v[run];
        size_t lo = 0, hi = run;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (sorts_before(pivot, v[mid]))
                hi = mid;
            else
                lo = mid + 1;
        }
        memmove(v + lo + 1, v + lo, (run - lo) * sizeof(struct reader *));
        v[lo] = pivot;
    }
}

static void merge_by_sort(struct heap *h, struct merge *m)
{
    for (;;) {
        size_t n = 0;
        for (size_t i = 0; i < h->n; i++)
            if (h->v[i]->more)
                h->v[n++] = h->v[i];
        h->n = n;
        sort_as_v8(h->v, n);
        if (n == 0)
            return;
        merge_step(m, h->v[0]);
    }
}

/* All readers before their first struct, in the order of the updates. */
static int rewind_all(struct heap *h, struct reader *readers, const struct ycrdt_buf *updates,
                      size_t count, bool raw, struct err *err)
{
    h->n = 0;
    for (size_t i = 0; i < count; i++) {
        struct reader *r = &readers[i];
        update_release(&r->u);
        int code = reader_init(r, updates[i].p, updates[i].n, raw, err);
        if (code != 0)
            return code;
        r->order = (int64_t)i;
        next_no_skip(r);
        if (r->more)
            h->v[h->n++] = r;
    }
    return 0;
}

static void merge_structs(struct heap *h, struct merge *m, struct reader *readers,
                          const struct ycrdt_buf *updates, size_t count)
{
    bool raw = m->w.raw;
    merge_by_heap(h, m, count <= SORT_RUN);
    if (h->ambiguous && count <= SORT_RUN) {
        writer_release(&m->w);
        *m = (struct merge){.w = {.out = STR_INIT, .sect = STR_INIT, .raw = raw}};
        BUG_ON(rewind_all(h, readers, updates, count, raw, NULL) != 0);
        merge_by_sort(h, m);
    }
    if (m->have)
        write_rec(&m->w, &m->cur);
}

int merge_bufs(const struct ycrdt_buf *updates, size_t count, bool raw, struct str *out,
               struct err *err)
{
    struct reader *readers = xcalloc(count, sizeof *readers);
    struct heap h = {.v = xreallocarray(NULL, count ? count : 1, sizeof *h.v)};
    struct merge m = {.w = {.out = STR_INIT, .sect = STR_INIT, .raw = raw}};
    struct ranges deleted = {NULL, 0, 0};
    int code = rewind_all(&h, readers, updates, count, raw, err);
    if (code == 0) {
        merge_structs(&h, &m, readers, updates, count);
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < readers[i].u.deleted.len; k++)
                ranges_add(&deleted, readers[i].u.deleted.v[k].client,
                           readers[i].u.deleted.v[k].clock, readers[i].u.deleted.v[k].len);
        finish(&m.w, &deleted, out);
    }
    for (size_t i = 0; i < count; i++)
        update_release(&readers[i].u);
    free(readers);
    free(h.v);
    ranges_free(&deleted);
    return code;
}

int ycrdt_merge_updates(const struct ycrdt_buf *updates, size_t count, struct str *out,
                        struct err *err)
{
    if (count != 1)
        return merge_bufs(updates, count, false, out, err);
    struct update u = {.nsect = 0};
    int code = update_parse(&u, updates[0].p, updates[0].n, REC_CHECK, err);
    if (code == 0) {
        update_release(&u);
        str_add(out, updates[0].p, updates[0].n);
    }
    return code;
}

/* --- what somebody lacks
 * ------------------------------------------------------------------------------ */

static uint64_t sv_clock(const struct ycrdt_clock *sv, size_t n, uint64_t client)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (sv[mid].client > client)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && sv[lo].client == client ? sv[lo].clock : 0;
}

static void diff_structs(struct reader *r, const struct ycrdt_clock *sv, size_t n, struct writer *w)
{
    next_struct(r);
    while (r->more) {
        uint64_t client = r->cur.client;
        uint64_t known = sv_clock(sv, n, client);
        if (r->cur.kind == K_SKIP) {
            next_struct(r); /* a section does not begin with a gap */
        } else if (rec_end(&r->cur) > known) {
            if (known > r->cur.clock)
                cut_front(&r->cur, (uint32_t)(known - r->cur.clock));
            do {
                write_rec(w, &r->cur);
                next_struct(r);
            } while (r->more && r->cur.client == client);
        } else {
            while (r->more && r->cur.client == client && rec_end(&r->cur) <= known)
                next_struct(r);
        }
    }
}

int diff_buf(const void *update, size_t n, const void *sv, size_t sv_len, bool raw, struct str *out,
             struct err *err)
{
    cleanup_free struct ycrdt_clock *clocks = NULL;
    size_t count = 0;
    int code = ycrdt_sv_decode(sv, sv_len, &clocks, &count, err);
    if (code != 0)
        return code;
    struct reader r = {.more = false};
    code = reader_init(&r, update, n, raw, err);
    if (code != 0)
        return code;
    struct writer w = {.out = STR_INIT, .sect = STR_INIT, .raw = raw};
    diff_structs(&r, clocks, count, &w);
    finish(&w, &r.u.deleted, out);
    update_release(&r.u);
    return 0;
}

int ycrdt_diff_update(const void *update, size_t n, const void *sv, size_t sv_len, struct str *out,
                      struct err *err)
{
    return diff_buf(update, n, sv, sv_len, false, out, err);
}

int ycrdt_update_sv(const void *update, size_t n, struct str *out, struct err *err)
{
    struct reader r = {.more = false};
    int code = reader_init(&r, update, n, false, err);
    if (code != 0)
        return code;
    struct ycrdt_clock *v = NULL;
    size_t len = 0, cap = 0;
    uint64_t client = 0;
    bool counting = false, any = false;
    for (next_struct(&r); r.more; next_struct(&r)) {
        if (!any || r.cur.client != client) {
            client = r.cur.client;
            counting = r.cur.clock == 0;
            any = true;
            VEC_GROW(v, len, cap);
            v[len++] = (struct ycrdt_clock){client, 0};
        }
        if (r.cur.kind == K_SKIP)
            counting = false;
        if (counting)
            v[len - 1].clock = rec_end(&r.cur);
    }
    size_t kept = 0;
    for (size_t i = 0; i < len; i++)
        if (v[i].clock > 0)
            v[kept++] = v[i];
    ycrdt_sv_encode(v, kept, out);
    free(v);
    update_release(&r.u);
    return 0;
}
