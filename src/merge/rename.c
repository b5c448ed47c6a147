#include "merge/rename.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "merge/similarity.h"

#define SCORE_MIN (SIMILARITY_MAX * MERGE_RENAME_MIN_PERCENT / 100)
#define SCORE_MIN_BASENAME (SCORE_MIN + (SIMILARITY_MAX - SCORE_MIN) / 2)
#define CANDIDATES_PER_FILE 4

/* The empty blob says nothing about where it came from. */
static const struct merge_oid empty_blob = {{0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6,
                                             0x43, 0x4b, 0x8b, 0x29, 0xae, 0x77, 0x5a,
                                             0xd8, 0xc2, 0xe4, 0x8c, 0x53, 0x91}};

struct candidate_file {
    size_t index; /* into the path_changes */
    const struct file *file;
    const char *base_name;
    bool wanted; /* sources: the other side changed or deleted it */
    bool used;
    bool unreadable; /* longer than text_max */
    bool loaded;
    struct fingerprint print;
};

struct candidates {
    struct candidate_file *v;
    size_t len;
    size_t cap;
};

struct match {
    uint32_t score;
    bool same_name;
    size_t from, to; /* into the candidates */
    size_t order;
};

struct finder {
    const struct merge_store *store;
    size_t text_max;
    struct candidates from, to;
    struct renames *out;
    struct err *err;
};

void renames_release(struct renames *r)
{
    free(r->v);
    *r = (struct renames)RENAMES_INIT;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void push_candidate(struct candidates *c, size_t index, const struct path_change *change,
                           const struct file *file, bool wanted)
{
    VEC_GROW(c->v, c->len, c->cap);
    c->v[c->len++] = (struct candidate_file){
        .index = index, .file = file, .base_name = base_name(change->path), .wanted = wanted};
}

static void collect(struct finder *f, const struct path_changes *changes, enum version side)
{
    enum version other = side == VERSION_LOCAL ? VERSION_CANONICAL : VERSION_LOCAL;
    for (size_t i = 0; i < changes->len; i++) {
        const struct path_change *c = &changes->v[i];
        const struct file *base = &c->at[VERSION_BASE], *now = &c->at[side];
        if (file_exists(base) && !file_exists(now) && base->mode != MERGE_MODE_SUBMODULE)
            push_candidate(&f->from, i, c, base, !file_equal(base, &c->at[other]));
        if (!file_exists(base) && file_exists(now) && now->mode != MERGE_MODE_SUBMODULE)
            push_candidate(&f->to, i, c, now, true);
    }
}

static void take(struct finder *f, struct candidate_file *from, struct candidate_file *to)
{
    from->used = to->used = true;
    if (!from->wanted)
        return;
    VEC_GROW(f->out->v, f->out->len, f->out->cap);
    f->out->v[f->out->len++] = (struct rename_pair){from->index, to->index};
}

static int by_oid(const void *a, const void *b)
{
    const struct candidate_file *x = *(struct candidate_file *const *)a;
    const struct candidate_file *y = *(struct candidate_file *const *)b;
    int order = memcmp(&x->file->oid, &y->file->oid, sizeof x->file->oid);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static bool same_type(const struct file *a, const struct file *b)
{
    return (a->mode & 0170000u) == (b->mode & 0170000u);
}

static void find_exact(struct finder *f)
{
    if (!f->from.len)
        return;
    cleanup_free struct candidate_file **sorted =
        xreallocarray(NULL, f->from.len, sizeof(struct candidate_file *));
    for (size_t i = 0; i < f->from.len; i++)
        sorted[i] = &f->from.v[i];
    qsort(sorted, f->from.len, sizeof(struct candidate_file *), by_oid);
    for (size_t i = 0; i < f->to.len; i++) {
        struct candidate_file *to = &f->to.v[i];
        if (memcmp(&to->file->oid, &empty_blob, sizeof empty_blob) == 0)
            continue;
        size_t low = 0, high = f->from.len;
        while (low < high) {
            size_t mid = low + (high - low) / 2;
            if (memcmp(&sorted[mid]->file->oid, &to->file->oid, sizeof to->file->oid) < 0)
                low = mid + 1;
            else
                high = mid;
        }
        struct candidate_file *best = NULL;
        for (size_t j = low; j < f->from.len && memcmp(&sorted[j]->file->oid, &to->file->oid,
                                                       sizeof to->file->oid) == 0;
             j++) {
            if (sorted[j]->used || !same_type(sorted[j]->file, to->file))
                continue;
            bool same_name = strcmp(sorted[j]->base_name, to->base_name) == 0;
            if (!best || same_name)
                best = sorted[j];
            if (same_name)
                break;
        }
        if (best)
            take(f, best, to);
    }
}

static bool comparable(const struct candidate_file *c)
{
    return !c->used && c->wanted && !c->unreadable && file_is_regular(c->file);
}

static int load(struct finder *f, struct candidate_file *c)
{
    if (c->loaded || c->unreadable)
        return 0;
    cleanup_str struct str content = STR_INIT;
    int rc = f->store->read_blob(f->store->ctx, &c->file->oid, f->text_max, &content, f->err);
    if (rc == ERR_LIMIT) {
        err_clear(f->err);
        c->unreadable = true;
        return 0;
    }
    if (rc < 0)
        return rc;
    fingerprint_init(&c->print, content.p, content.len);
    c->loaded = true;
    return 0;
}

static int compare(struct finder *f, struct candidate_file *from, struct candidate_file *to,
                   uint32_t *score)
{
    *score = 0;
    int rc = load(f, from);
    if (rc == 0)
        rc = load(f, to);
    if (rc < 0 || from->unreadable || to->unreadable)
        return rc;
    if (similarity_of_sizes(from->print.size, to->print.size) >= SCORE_MIN)
        *score = similarity(&from->print, &to->print);
    return 0;
}

static int by_base_name(const void *a, const void *b)
{
    const struct candidate_file *x = *(struct candidate_file *const *)a;
    const struct candidate_file *y = *(struct candidate_file *const *)b;
    return strcmp(x->base_name, y->base_name);
}

/* Sorted by name; entries with a name that occurs once among the comparable ones. */
static size_t unique_names(struct candidates *c, struct candidate_file **out)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < c->len; i++)
        if (comparable(&c->v[i]))
            out[n++] = &c->v[i];
    if (n)
        qsort(out, n, sizeof(struct candidate_file *), by_base_name);
    for (size_t i = 0; i < n; i++) {
        bool before = i > 0 && strcmp(out[i - 1]->base_name, out[i]->base_name) == 0;
        bool after = i + 1 < n && strcmp(out[i + 1]->base_name, out[i]->base_name) == 0;
        if (!before && !after)
            out[kept++] = out[i];
    }
    return kept;
}

static int find_by_name(struct finder *f)
{
    cleanup_free struct candidate_file **from =
        xreallocarray(NULL, f->from.len + 1, sizeof(struct candidate_file *));
    cleanup_free struct candidate_file **to =
        xreallocarray(NULL, f->to.len + 1, sizeof(struct candidate_file *));
    size_t n = unique_names(&f->from, from), m = unique_names(&f->to, to);
    for (size_t i = 0, j = 0; i < n && j < m;) {
        int order = strcmp(from[i]->base_name, to[j]->base_name);
        if (order == 0) {
            uint32_t score;
            int rc = compare(f, from[i], to[j], &score);
            if (rc < 0)
                return rc;
            if (score >= SCORE_MIN_BASENAME)
                take(f, from[i], to[j]);
        }
        i += order <= 0;
        j += order >= 0;
    }
    return 0;
}

static int by_score(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->same_name != y->same_name)
        return x->same_name ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void remember(struct match *best, const struct match *m)
{
    size_t worst = 0;
    for (size_t i = 1; i < CANDIDATES_PER_FILE; i++)
        if (best[i].score < best[worst].score)
            worst = i;
    if (m->score > best[worst].score)
        best[worst] = *m;
}

static size_t count_comparable(const struct candidates *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->len; i++)
        n += comparable(&c->v[i]);
    return n;
}

static int find_similar(struct finder *f)
{
    size_t n = count_comparable(&f->from), m = count_comparable(&f->to);
    if (!n || !m || n > (size_t)MERGE_RENAME_MAX * MERGE_RENAME_MAX / m)
        return 0;
    cleanup_free struct match *matches = xcalloc(m * CANDIDATES_PER_FILE, sizeof *matches);
    size_t rows = 0;
    for (size_t j = 0; j < f->to.len; j++) {
        struct candidate_file *to = &f->to.v[j];
        if (!comparable(to))
            continue;
        struct match *best = &matches[rows++ * CANDIDATES_PER_FILE];
        for (size_t i = 0; i < f->from.len; i++) {
            struct candidate_file *from = &f->from.v[i];
            if (!comparable(from))
                continue;
            struct match found = {.same_name = strcmp(from->base_name, to->base_name) == 0,
                                  .from = i,
                                  .to = j,
                                  .order = j * f->from.len + i};
            int rc = compare(f, from, to, &found.score);
            if (rc < 0)
                return rc;
            if (found.score >= SCORE_MIN)
                remember(best, &found);
        }
    }
    qsort(matches, rows * CANDIDATES_PER_FILE, sizeof *matches, by_score);
    for (size_t k = 0; k < rows * CANDIDATES_PER_FILE && matches[k].score; k++) {
        struct candidate_file *from = &f->from.v[matches[k].from], *to = &f->to.v[matches[k].to];
        if (!from->used && !to->used)
            take(f, from, to);
    }
    return 0;
}

static void candidates_release(struct candidates *c)
{
    for (size_t i = 0; i < c->len; i++)
        fingerprint_release(&c->v[i].print);
    free(c->v);
}

int renames_find(const struct merge_store *store, const struct path_changes *changes,
                 enum version side, size_t text_max, struct renames *out, struct err *err)
{
    struct finder f = {.store = store, .text_max = text_max, .out = out, .err = err};
    int rc = 0;
    collect(&f, changes, side);
    find_exact(&f);
    rc = find_by_name(&f);
    if (rc == 0)
        rc = find_similar(&f);
    candidates_release(&f.from);
    candidates_release(&f.to);
    return rc;
}
