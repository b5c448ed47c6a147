#include "merge/lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct line_slot {
    uint32_t hash;
    uint32_t id_plus_1; /* 0: empty */
};

#define MIX 0x9fb21c651e98df25ull

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 m = (u128)(a ^ MIX) * (b | 1);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t load(const char *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static uint32_t hash_line(const char *p, size_t n, uint64_t seed)
{
    uint64_t h = seed ^ (n * MIX);
    size_t left = n;
    for (; left >= 16; left -= 16, p += 16)
        h = mix(load(p, 8) ^ h, load(p + 8, 8) + seed);
    if (left >= 8) {
        h = mix(load(p, 8) ^ h, seed);
        p += 8;
        left -= 8;
    }
    h = mix(load(p, left) ^ h, seed + MIX);
    return (uint32_t)(h ^ (h >> 32));
}

void line_ids_init(struct line_ids *ids, size_t expected_lines)
{
    memset(ids, 0, sizeof *ids);
    uint32_t slots = 64;
    while (slots < expected_lines * 2 && slots < (1u << 28))
        slots *= 2;
    ids->slots = xcalloc(slots, sizeof *ids->slots);
    ids->slot_mask = slots - 1;
    /* An address nobody outside can foretell: texts cannot be made to collide. Numbers do not
     * depend on it. */
    ids->seed = mix((uint64_t)(uintptr_t)ids->slots, (uint64_t)(uintptr_t)ids) | 1;
}

void line_ids_release(struct line_ids *ids)
{
    free(ids->classes);
    free(ids->slots);
    memset(ids, 0, sizeof *ids);
}

static void grow_slots(struct line_ids *ids)
{
    uint32_t slots = (ids->slot_mask + 1) * 2;
    struct line_slot *bigger = xcalloc(slots, sizeof *bigger);
    for (uint32_t i = 0; i <= ids->slot_mask; i++) {
        if (!ids->slots[i].id_plus_1)
            continue;
        uint32_t at = ids->slots[i].hash & (slots - 1);
        while (bigger[at].id_plus_1)
            at = (at + 1) & (slots - 1);
        bigger[at] = ids->slots[i];
    }
    free(ids->slots);
    ids->slots = bigger;
    ids->slot_mask = slots - 1;
}

uint32_t line_ids_intern(struct line_ids *ids, const char *p, uint32_t len, uint32_t first)
{
    uint32_t hash = hash_line(p, len, ids->seed);
    uint32_t at = hash & ids->slot_mask;
    for (; ids->slots[at].id_plus_1; at = (at + 1) & ids->slot_mask) {
        if (ids->slots[at].hash != hash)
            continue;
        const struct line_class *c = &ids->classes[ids->slots[at].id_plus_1 - 1];
        if (c->len == len && memcmp(c->p, p, len) == 0)
            return ids->slots[at].id_plus_1 - 1;
    }
    VEC_GROW(ids->classes, ids->n, ids->cap);
    ids->classes[ids->n] = (struct line_class){p, len, first};
    ids->slots[at] = (struct line_slot){hash, ++ids->n};
    uint32_t id = ids->n - 1;
    if (ids->n > ids->slot_mask / 2)
        grow_slots(ids);
    return id;
}

static void push_line(struct lines *t, uint32_t start, uint32_t id)
{
    if (t->n == t->cap) {
        t->cap = t->cap * 2 + 16;
        t->start = xreallocarray(t->start, t->cap + 1, sizeof *t->start);
        t->id = xreallocarray(t->id, t->cap, sizeof *t->id);
    }
    t->start[t->n] = start;
    t->id[t->n++] = id;
}

/* Whether the text at p, `left` bytes long, begins with line i of `like` as a whole line. */
static bool follows(const char *p, size_t left, const struct lines *like, uint32_t i)
{
    if (i >= like->n)
        return false;
    size_t len = lines_len(like, i);
    const char *line = like->p + like->start[i];
    if (len > left || memcmp(p, line, len) != 0)
        return false;
    return line[len - 1] == '\n' || len == left;
}

void lines_init(struct lines *t, struct line_ids *ids, struct merge_slice text,
                const struct lines *like)
{
    memset(t, 0, sizeof *t);
    t->p = text.p;
    t->cap = like ? like->n + 64 : (uint32_t)(text.len / 32 + 64);
    t->start = xreallocarray(NULL, t->cap + 1, sizeof *t->start);
    t->id = xreallocarray(NULL, t->cap, sizeof *t->id);
    uint32_t at = 0, len = (uint32_t)text.len, step = 0;
    while (at < len) {
        if (like) {
            uint32_t match = step;
            if (!follows(text.p + at, len - at, like, match))
                match++;
            if (match == step || follows(text.p + at, len - at, like, match)) {
                push_line(t, at, like->id[match]);
                at += lines_len(like, match);
                step = match + 1;
                continue;
            }
        }
        const char *nl = memchr(text.p + at, '\n', len - at);
        uint32_t n = nl ? (uint32_t)(nl - (text.p + at)) + 1 : len - at;
        uint32_t known = ids->n;
        uint32_t id = line_ids_intern(ids, text.p + at, n, t->n);
        if (like && id < known && ids->classes[id].first >= step)
            step = ids->classes[id].first + 1;
        push_line(t, at, id);
        at += n;
    }
    t->start[t->n] = len;
}

void lines_release(struct lines *t)
{
    free(t->start);
    free(t->id);
    memset(t, 0, sizeof *t);
}
