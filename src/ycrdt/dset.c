/* Delete sets: stretches of clocks by client. */
#include <stdlib.h>
#include <string.h>

#include "ycrdt/internal.h"

#define FEW 16

void ranges_add(struct ranges *r, uint64_t client, uint32_t clock, uint32_t len)
{
    if (r->len > 0) {
        struct range *last = &r->v[r->len - 1];
        if (last->client == client && last->clock + last->len == clock) {
            last->len += len;
            return;
        }
        if (last->client == client && clock + len == last->clock) {
            last->clock = clock;
            last->len += len;
            return;
        }
    }
    VEC_GROW(r->v, r->len, r->cap);
    r->v[r->len++] = (struct range){client, clock, len};
}

static void reserve(struct ranges *r, size_t n)
{
    if (r->cap - r->len >= n)
        return;
    r->cap = r->len + n > r->cap * 2 ? r->len + n : r->cap * 2;
    r->v = xreallocarray(r->v, r->cap, sizeof *r->v);
}

static int compare(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    if (x->client != y->client)
        return x->client < y->client ? 1 : -1;
    if (x->clock != y->clock)
        return x->clock < y->clock ? -1 : 1;
    return 0;
}

static void sort(struct range *v, size_t n)
{
    size_t sorted = 1;
    while (sorted < n && compare(&v[sorted - 1], &v[sorted]) <= 0)
        sorted++;
    if (n > FEW && sorted < n) {
        qsort(v, n, sizeof *v, compare);
        return;
    }
    for (; sorted < n; sorted++) {
        struct range x = v[sorted];
        size_t i = sorted;
        for (; i > 0 && compare(&x, &v[i - 1]) < 0; i--)
            v[i] = v[i - 1];
        v[i] = x;
    }
}

void ranges_normalize(struct ranges *r)
{
    if (r->len < 2)
        return;
    sort(r->v, r->len);
    size_t n = 1;
    for (size_t i = 1; i < r->len; i++) {
        struct range *last = &r->v[n - 1];
        const struct range *next = &r->v[i];
        if (last->client == next->client && last->clock + last->len >= next->clock) {
            uint32_t end = next->clock + next->len;
            if (end > last->clock + last->len)
                last->len = end - last->clock;
        } else {
            r->v[n++] = *next;
        }
    }
    r->len = n;
}

void ranges_write(const struct ranges *r, struct str *out)
{
    size_t clients = 0;
    for (size_t i = 0; i < r->len; i++)
        clients += i == 0 || r->v[i].client != r->v[i - 1].client;
    str_add_var(out, clients);
    for (size_t i = 0; i < r->len;) {
        size_t end = i;
        while (end < r->len && r->v[end].client == r->v[i].client)
            end++;
        str_add_var(out, r->v[i].client);
        str_add_var(out, end - i);
        for (; i < end; i++) {
            uint8_t *p = (uint8_t *)str_reserve(out, 2 * VAR_MAX);
            uint8_t *q = wr_var(wr_var(p, r->v[i].clock), r->v[i].len);
            str_grew(out, (size_t)(q - p));
        }
    }
}

int ranges_read(struct rd *r, struct ranges *out, struct err *err)
{
    uint64_t clients, client, count, clock, len;
    if (!rd_var(r, &clients))
        return err_set(err, ERR_INVALID, "malformed update: delete set is cut off");
    for (uint64_t c = 0; c < clients; c++) {
        if (!rd_var(r, &client) || !rd_var(r, &count))
            return err_set(err, ERR_INVALID, "malformed update: delete set is cut off");
        if (count > FEW && count <= rd_left(r) / 2)
            reserve(out, count);
        for (uint64_t i = 0; i < count; i++) {
            if (!rd_var(r, &clock) || !rd_var(r, &len))
                return err_set(err, ERR_INVALID, "malformed update: delete set is cut off");
            if (len == 0)
                return err_set(err, ERR_INVALID, "malformed update: empty deletion");
            if (clock > YCRDT_MAX_CLOCK || len > YCRDT_MAX_CLOCK - clock)
                return err_set(err, ERR_LIMIT, "update deletes beyond the highest clock");
            ranges_add(out, client, (uint32_t)clock, (uint32_t)len);
        }
    }
    return 0;
}

void ranges_free(struct ranges *r)
{
    free(r->v);
    *r = (struct ranges){NULL, 0, 0};
}
