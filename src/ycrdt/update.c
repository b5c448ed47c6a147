/* The outer form of an update: sections of structs by client, then the delete set. */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"
#include "ycrdt/rec_fast.h"

static int bad(struct err *err, int code)
{
    if (code == ERR_LIMIT)
        return err_set(err, ERR_LIMIT, "update goes beyond the highest clock");
    return err_set(err, ERR_INVALID, "malformed update");
}

static int read_section(struct rd *r, enum rec_mode mode, struct sect *s, struct rec *first,
                        struct err *err)
{
    uint64_t count, clock;
    if (!rd_var(r, &count) || !rd_var(r, &s->client) || !rd_var(r, &clock) || count > rd_left(r))
        return bad(err, ERR_INVALID);
    if (clock > YCRDT_MAX_CLOCK)
        return bad(err, ERR_LIMIT);
    s->clock = (uint32_t)clock;
    s->left = (uint32_t)count;
    s->at = *r;
    s->last = r->p;
    s->last_clock = s->clock;
    s->gone = false;
    for (uint64_t i = 0; i < count; i++) {
        struct rec common, later, *rec = i == 0 ? first : &later;
        if (i > 0 && rec_read_common(r, mode, s->client, (uint32_t)clock, &common)) {
            clock += common.len;
            continue;
        }
        int code = rec_read(r, mode, s->client, clock, rec);
        if (code != 0)
            return bad(err, code);
        clock += rec->len;
    }
    s->at.end = r->p;
    return 0;
}

static int by_client(const void *a, const void *b)
{
    const struct sect *x = a, *y = b;
    return x->client < y->client ? -1 : x->client > y->client;
}

int update_parse(struct update *u, const void *p, size_t n, enum rec_mode mode, struct err *err)
{
    u->sect = u->few;
    u->nsect = 0;
    u->deleted.len = 0;
    struct rd r = {p, (const uint8_t *)p + n};
    uint64_t sections = 0;
    int code = 0;
    if (n > YCRDT_MAX_UPDATE)
        code = err_set(err, ERR_LIMIT, "update is longer than %zu bytes", YCRDT_MAX_UPDATE);
    else if (!rd_var(&r, &sections) || sections > n)
        code = bad(err, ERR_INVALID);
    else if (sections > YCRDT_MAX_CLIENTS)
        code = err_set(err, ERR_LIMIT, "update has more than %zu clients", YCRDT_MAX_CLIENTS);
    else if (sections > ARRAY_LEN(u->few))
        u->sect = xreallocarray(NULL, sections, sizeof *u->sect);
    bool sorted = true;
    for (uint64_t i = 0; i < sections && code == 0; i++) {
        code = read_section(&r, mode, &u->sect[i], &u->first, err);
        if (i > 0 && u->sect[i].client >= u->sect[i - 1].client)
            sorted = false;
        u->nsect++;
    }
    if (code == 0)
        code = ranges_read(&r, &u->deleted, err);
    if (code == 0 && r.p != r.end)
        code = err_set(err, ERR_INVALID, "malformed update: bytes behind its end");
    if (code == 0 && !sorted) {
        qsort(u->sect, u->nsect, sizeof *u->sect, by_client);
        for (size_t i = 1; i < u->nsect && code == 0; i++)
            if (u->sect[i].client == u->sect[i - 1].client)
                code = err_set(err, ERR_INVALID, "malformed update: a client comes twice");
    } else if (code == 0) {
        /* Rising order from falling. */
        for (size_t i = 0, j = u->nsect; i + 1 < j; i++) {
            struct sect t = u->sect[i];
            u->sect[i] = u->sect[--j];
            u->sect[j] = t;
        }
    }
    if (code != 0)
        update_release(u);
    return code;
}

void update_release(struct update *u)
{
    if (u->sect != u->few)
        free(u->sect);
    u->sect = NULL;
    u->nsect = 0;
    ranges_free(&u->deleted);
}
