/*
 * Applying updates. The update is read through and checked first; what follows cannot fail. Structs
 * are integrated section by section, the highest client first; one that needs a struct of another
 * client waits on a stack while that client's section goes on, and what still lacks its cause at
 * the end is parked as an update of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"
#include "ycrdt/rec_fast.h"

/* A run of structs that could not be applied. */
struct rest {
    uint64_t client;
    uint32_t clock;
    uint32_t count;
    const uint8_t *p;
    const uint8_t *end;
};

struct run {
    struct ycrdt *d;
    struct update *u;
    enum rec_mode mode;
    size_t targets; /* sections not begun or not finished */
    struct rec *stack;
    size_t nstack, cap_stack;
    struct rest *rest;
    size_t nrest, cap_rest;
    struct missing *missing;
    size_t nmissing, cap_missing;
};

static void note_missing(struct missing **v, size_t *n, size_t *cap, uint64_t client,
                         uint32_t clock)
{
    for (size_t i = 0; i < *n; i++) {
        if ((*v)[i].client == client) {
            if ((*v)[i].clock > clock)
                (*v)[i].clock = clock;
            return;
        }
    }
    VEC_GROW(*v, *n, *cap);
    (*v)[(*n)++] = (struct missing){client, clock};
}

static struct sect *sect_find(struct update *u, uint64_t client)
{
    size_t lo = 0, hi = u->nsect;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (u->sect[mid].client < client)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < u->nsect && u->sect[lo].client == client && !u->sect[lo].gone ? &u->sect[lo] : NULL;
}

static struct sect *next_target(struct run *run)
{
    while (run->targets > 0) {
        struct sect *s = &run->u->sect[run->targets - 1];
        if (s->left > 0)
            return s;
        run->targets--;
    }
    return NULL;
}

static void take(struct run *run, struct sect *s, struct rec *rec)
{
    s->last = s->at.p;
    s->last_clock = s->clock;
    if (!rec_read_common(&s->at, run->mode, s->client, s->clock, rec))
        BUG_ON(rec_read(&s->at, run->mode, s->client, s->clock, rec) != 0);
    s->clock += rec->len;
    s->left--;
}

static void push(struct run *run, const struct rec *rec)
{
    VEC_GROW(run->stack, run->nstack, run->cap_stack);
    run->stack[run->nstack++] = *rec;
}

static void add_rest(struct run *run, struct rest rest)
{
    for (size_t i = 0; i < run->nrest; i++) {
        if (run->rest[i].client == rest.client) {
            run->rest[i] = rest;
            return;
        }
    }
    VEC_GROW(run->rest, run->nrest, run->cap_rest);
    run->rest[run->nrest++] = rest;
}

/* Nothing on the stack can go on: the sections of its structs are parked from there. */
static void park_stack(struct run *run)
{
    for (size_t i = 0; i < run->nstack; i++) {
        const struct rec *rec = &run->stack[i];
        struct sect *s = sect_find(run->u, rec->client);
        if (s) {
            add_rest(run, (struct rest){s->client, s->last_clock, s->left + 1, s->last, s->at.end});
            s->gone = true;
            s->left = 0;
        } else {
            add_rest(run, (struct rest){rec->client, rec->clock, 1, rec->start, rec->end});
        }
    }
    run->nstack = 0;
}

static void integrate_all(struct run *run)
{
    struct ycrdt *d = run->d;
    struct sect *target = next_target(run);
    struct rec head;
    if (!target)
        return;
    take(run, target, &head);
    for (;;) {
        uint64_t cause;
        uint32_t state = head.kind == K_SKIP ? 0 : client_state(d, head.client);
        if (head.kind == K_SKIP) {
            /* nothing to do */
        } else if (head.clock > state) {
            push(run, &head);
            note_missing(&run->missing, &run->nmissing, &run->cap_missing, head.client,
                         head.clock - 1);
            park_stack(run);
        } else if (rec_missing(d, &head, &cause)) {
            push(run, &head);
            struct sect *s = sect_find(run->u, cause);
            if (s && s->left > 0) {
                take(run, s, &head);
                continue;
            }
            note_missing(&run->missing, &run->nmissing, &run->cap_missing, cause,
                         client_state(d, cause));
            park_stack(run);
        } else if (head.len > state - head.clock) {
            rec_integrate(d, &head, state - head.clock);
        } else {
            rec_known(d, &head);
        }
        if (run->nstack > 0) {
            head = run->stack[--run->nstack];
            continue;
        }
        if (target->left == 0 && !(target = next_target(run)))
            return;
        take(run, target, &head);
    }
}

static int rest_by_falling_client(const void *a, const void *b)
{
    const struct rest *x = a, *y = b;
    return x->client < y->client ? 1 : x->client > y->client ? -1 : 0;
}

/* The parked structs as an update without deletions. */
static void write_rest(struct run *run, struct str *out)
{
    bool raw = run->d->flags & YCRDT_RAW;
    qsort(run->rest, run->nrest, sizeof *run->rest, rest_by_falling_client);
    str_add_var(out, run->nrest);
    for (size_t i = 0; i < run->nrest; i++) {
        const struct rest *rest = &run->rest[i];
        struct rd r = {rest->p, rest->end};
        uint32_t clock = rest->clock;
        str_add_var(out, rest->count);
        str_add_var(out, rest->client);
        str_add_var(out, clock);
        for (uint32_t k = 0; k < rest->count; k++) {
            struct rec rec;
            BUG_ON(rec_read(&r, run->mode, rest->client, clock, &rec) != 0);
            rec_write(out, &rec, raw);
            clock += rec.len;
        }
    }
    str_add_var(out, 0);
}

/* Adds what this update left over to what is parked; true: parked structs can go on now. */
static bool park(struct run *run)
{
    struct ycrdt *d = run->d;
    cleanup_str struct str rest = STR_INIT;
    bool retry = false;
    if (run->nrest)
        write_rest(run, &rest);
    if (d->pending.len == 0) {
        str_add(&d->pending, rest.p, rest.len);
        for (size_t i = 0; i < run->nmissing && rest.len; i++)
            note_missing(&d->pending_missing, &d->npending_missing, &d->cap_pending_missing,
                         run->missing[i].client, run->missing[i].clock);
        return false;
    }
    for (size_t i = 0; i < d->npending_missing && !retry; i++)
        retry = d->pending_missing[i].clock < client_state(d, d->pending_missing[i].client);
    if (rest.len) {
        for (size_t i = 0; i < run->nmissing; i++)
            note_missing(&d->pending_missing, &d->npending_missing, &d->cap_pending_missing,
                         run->missing[i].client, run->missing[i].clock);
        struct ycrdt_buf both[2] = {{d->pending.p, d->pending.len}, {rest.p, rest.len}};
        struct str merged = STR_INIT;
        BUG_ON(merge_bufs(both, 2, d->flags & YCRDT_RAW, &merged, NULL) != 0);
        str_release(&d->pending);
        d->pending = merged;
    }
    return retry;
}

/* --- deletions
 * ------------------------------------------------------------------------------------ */

static void delete_stretch(struct ycrdt *d, uint32_t client, uint32_t clock, uint32_t end)
{
    struct idx *ix = &d->clients[client].idx;
    struct ipos at = idx_find(ix, clock);
    uint32_t h = idx_at(ix, at);
    struct item *it = item_at(d, h);
    if (it->clock < clock && end == it->clock + it->len && item_delete_tail(d, h, end - clock))
        return;
    if (it->clock == clock && end < clock + it->len && item_delete_head(d, h, end - clock))
        return;
    if (!it->deleted && it->clock < clock) {
        h = item_split(d, h, clock - it->clock);
        txn_split(d, item_at(d, h));
        at = idx_find(ix, clock);
    }
    for (;;) {
        it = item_at(d, h);
        if (it->clock >= end)
            return;
        if (!it->deleted) {
            if (end < it->clock + it->len) {
                txn_split(d, item_at(d, item_split(d, h, end - it->clock)));
                at = idx_find(ix, it->clock);
            }
            item_delete(d, h);
            d->merge_deleted = true;
        }
        if (!idx_next(ix, &at))
            return;
        h = idx_at(ix, at);
    }
}

/* Deletes what is there; the rest goes to *left. */
static void apply_deletions(struct ycrdt *d, const struct ranges *deleted, struct ranges *left)
{
    for (size_t i = 0; i < deleted->len; i++) {
        const struct range *r = &deleted->v[i];
        uint32_t client = client_find(d, r->client);
        uint32_t state = client == NO_CLIENT ? 0 : d->clients[client].state;
        uint32_t end = r->clock + r->len;
        if (r->clock >= state) {
            ranges_add(left, r->client, r->clock, r->len);
            continue;
        }
        if (state < end)
            ranges_add(left, r->client, state, end - state);
        delete_stretch(d, client, r->clock, end);
    }
}

static void apply_all_deletions(struct ycrdt *d, struct ranges *deleted)
{
    struct ranges left = {NULL, 0, 0};
    ranges_normalize(deleted);
    apply_deletions(d, deleted, &left);
    if (d->pending_deleted.len) {
        apply_deletions(d, &d->pending_deleted, &left);
        ranges_normalize(&left);
    }
    if (left.len || d->pending_deleted.len) {
        ranges_free(&d->pending_deleted);
        d->pending_deleted = left;
    } else {
        ranges_free(&left);
    }
}

/* --- the whole
 * ------------------------------------------------------------------------------------ */

/* One pass over one update; true: the parked structs are worth another. */
static bool apply_checked(struct ycrdt *d, struct update *u)
{
    struct run run = {.d = d,
                      .u = u,
                      .mode = d->flags & YCRDT_RAW ? REC_TRUST_RAW : REC_TRUST,
                      .targets = u->nsect};
    integrate_all(&run);
    bool retry = park(&run);
    free(run.stack);
    free(run.rest);
    free(run.missing);
    apply_all_deletions(d, &u->deleted);
    return retry;
}

/* An update with one struct at the most, as typing makes them, whose cause is there. */
static bool apply_single(struct ycrdt *d, struct update *u)
{
    uint64_t cause;
    if (d->pending.len || d->pending_deleted.len || u->nsect > 1)
        return false;
    if (u->nsect == 1 && u->sect[0].left > 0) {
        const struct rec *rec = &u->first;
        uint32_t state = client_state(d, rec->client);
        if (u->sect[0].left > 1 || rec->kind == K_SKIP || rec->clock > state ||
            rec_missing(d, rec, &cause))
            return false;
        if (rec->clock + rec->len <= state)
            rec_known(d, rec);
        else if (rec->clock < state || !rec_extend(d, rec))
            rec_integrate(d, rec, state - rec->clock);
    }
    if (u->deleted.len)
        apply_all_deletions(d, &u->deleted);
    return true;
}

static int check_room(const struct ycrdt *d, const struct update *u, size_t n, struct err *err)
{
    if (d->nclients + u->nsect > YCRDT_MAX_CLIENTS)
        return err_set(err, ERR_LIMIT, "document would have more than %zu clients",
                       YCRDT_MAX_CLIENTS);
    if (n + d->pending.len + d->content > YCRDT_MAX_TEXT)
        return err_set(err, ERR_LIMIT, "document would hold more than %zu bytes", YCRDT_MAX_TEXT);
    return 0;
}

/* Takes the parked structs through once more. */
static void apply_parked(struct ycrdt *d)
{
    struct str parked = d->pending;
    struct update u = {.nsect = 0};
    d->pending = (struct str)STR_INIT;
    d->npending_missing = 0;
    BUG_ON(update_parse(&u, parked.p, parked.len, d->flags & YCRDT_RAW ? REC_TRUST_RAW : REC_TRUST,
                        NULL) != 0);
    apply_checked(d, &u);
    update_release(&u);
    str_release(&parked);
}

#define KEEP_RANGES 64 /* room for deletions that is kept for the next update */

int apply_structs(struct ycrdt *d, const void *update, size_t n, struct err *err)
{
    bool raw = d->flags & YCRDT_RAW;
    struct update u = {.deleted = d->arriving};
    d->arriving = (struct ranges){NULL, 0, 0};
    int code = update_parse(&u, update, n, raw ? REC_CHECK_RAW : REC_CHECK, err);
    if (code != 0)
        return code;
    code = check_room(d, &u, n, err);
    if (code != 0) {
        update_release(&u);
        return code;
    }
    bool own = !d->in_txn;
    if (own)
        txn_begin(d);
    d->cur_item = 0;
    bool retry = !apply_single(d, &u) && apply_checked(d, &u);
    if (u.deleted.cap <= KEEP_RANGES) {
        d->arriving = u.deleted;
        u.deleted = (struct ranges){NULL, 0, 0};
    }
    update_release(&u);
    if (retry)
        apply_parked(d);
    if (own)
        txn_commit(d, NULL);
    return 0;
}

/* Into a document that never had anything. */
static int apply_first(struct ycrdt *d, const void *update, size_t n, struct err *err)
{
    struct ranges deleted = {NULL, 0, 0};
    if (!load_state(d, update, n, &deleted)) {
        ranges_free(&deleted);
        return apply_structs(d, update, n, err);
    }
    bool own = !d->in_txn;
    if (own)
        txn_begin(d);
    apply_all_deletions(d, &deleted);
    ranges_free(&deleted);
    if (own)
        txn_commit(d, NULL);
    return 0;
}

int ycrdt_apply(struct ycrdt *d, const void *update, size_t n, struct err *err)
{
    return d->nitems > 1 ? apply_structs(d, update, n, err) : apply_first(d, update, n, err);
}

static uint64_t units_known(const struct ycrdt *d)
{
    uint64_t n = 0;
    for (uint32_t c = 0; c < d->nclients; c++)
        n += d->clients[c].state;
    return n;
}

void ycrdt_settle(struct ycrdt *d)
{
    bool own = !d->in_txn;
    if (own)
        txn_begin(d);
    d->cur_item = 0;
    for (uint64_t before = UINT64_MAX; d->pending.len && before != units_known(d);) {
        before = units_known(d);
        apply_parked(d);
    }
    if (own)
        txn_commit(d, NULL);
}
