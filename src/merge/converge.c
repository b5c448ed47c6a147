#include "merge/converge.h"

#include "base/mem.h"
#include "ycrdt/ycrdt.h"

static int insert_by(const struct weave *w, enum merge_side side, struct ycrdt *doc, unsigned text,
                     struct err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < w->len; i++) {
        const struct weave_part *p = &w->v[i];
        if (p->kind == WEAVE_INSERT && p->by == side) {
            int rc = ycrdt_insert_bytes(doc, text, at, p->p, p->len, err);
            if (rc < 0)
                return rc;
        } else if (p->kind == WEAVE_INSERT && p->by != MERGE_BOTH) {
            continue;
        } else if (p->kind == WEAVE_INSERT && side == MERGE_BOTH) {
            continue;
        }
        at += p->len;
    }
    return 0;
}

static int delete_by(const struct weave *w, enum merge_side side, struct ycrdt *doc, unsigned text,
                     struct err *err)
{
    size_t at = 0;
    for (size_t i = 0; i < w->len; i++) {
        const struct weave_part *p = &w->v[i];
        if (p->kind == WEAVE_INSERT && p->by != side && p->by != MERGE_BOTH)
            continue;
        if (p->kind == WEAVE_DELETE && (p->by == side || p->by == MERGE_BOTH)) {
            int rc = ycrdt_delete_bytes(doc, text, at, p->len, err);
            if (rc < 0)
                return rc;
            continue;
        }
        at += p->len;
    }
    return 0;
}

static int base_update(const struct weave *w, unsigned flags, struct str *out, struct err *err)
{
    const char *p = NULL;
    size_t len = 0;
    for (size_t i = 0; i < w->len; i++) {
        const struct weave_part *part = &w->v[i];
        if (part->kind == WEAVE_INSERT)
            continue;
        BUG_ON(p && p + len != part->p);
        p = p ? p : part->p;
        len += part->len;
    }
    cleanup_ycrdt struct ycrdt *doc = ycrdt_new(WEAVE_CLIENT_BASE, flags);
    unsigned text = ycrdt_text(doc, WEAVE_ROOT);
    ycrdt_begin(doc);
    int rc = ycrdt_insert_bytes(doc, text, 0, p, len, err);
    ycrdt_commit(doc, out);
    return rc;
}

/* A document of its own, with the base and what the other updates hold already known. */
static int side_update(const struct weave *w, enum merge_side side, uint64_t client, unsigned flags,
                       const struct str *base, const struct str *agreed, struct ycrdt **doc_out,
                       struct str *out, struct err *err)
{
    cleanup_ycrdt struct ycrdt *doc = ycrdt_new(client, flags);
    unsigned text = ycrdt_text(doc, WEAVE_ROOT);
    int rc = 0;
    if (base->len)
        rc = ycrdt_apply(doc, base->p, base->len, err);
    if (rc == 0 && agreed && agreed->len)
        rc = ycrdt_apply(doc, agreed->p, agreed->len, err);
    if (rc < 0)
        return rc;
    ycrdt_begin(doc);
    rc = insert_by(w, side, doc, text, err);
    if (rc == 0 && side != MERGE_BOTH)
        rc = delete_by(w, side, doc, text, err);
    ycrdt_commit(doc, out);
    if (rc == 0 && doc_out)
        *doc_out = steal(&doc);
    return rc;
}

static bool has_agreed(const struct weave *w)
{
    for (size_t i = 0; i < w->len; i++)
        if (w->v[i].kind == WEAVE_INSERT && w->v[i].by == MERGE_BOTH)
            return true;
    return false;
}

static int join_updates(const struct str *agreed, const struct str *own, struct str *out,
                        struct err *err)
{
    struct ycrdt_buf bufs[2];
    size_t n = 0;
    if (agreed->len)
        bufs[n++] = (struct ycrdt_buf){agreed->p, agreed->len};
    if (own->len)
        bufs[n++] = (struct ycrdt_buf){own->p, own->len};
    if (n == 0) {
        cleanup_ycrdt struct ycrdt *nothing = ycrdt_new(WEAVE_CLIENT_BASE, 0);
        return ycrdt_encode(nothing, NULL, 0, out, err);
    }
    return ycrdt_merge_updates(bufs, n, out, err);
}

int weave_converge(const struct weave *w, bool raw, struct str *out, struct merge_updates *updates,
                   struct err *err)
{
    unsigned flags = raw ? YCRDT_RAW : 0;
    cleanup_str struct str base = STR_INIT, agreed = STR_INIT, local = STR_INIT;
    cleanup_str struct str canonical = STR_INIT;
    cleanup_ycrdt struct ycrdt *doc = NULL;
    int rc = base_update(w, flags, &base, err);
    if (rc == 0 && has_agreed(w))
        rc =
            side_update(w, MERGE_BOTH, WEAVE_CLIENT_AGREED, flags, &base, NULL, NULL, &agreed, err);
    if (rc == 0)
        rc = side_update(w, MERGE_LOCAL, WEAVE_CLIENT_LOCAL, flags, &base, &agreed, NULL, &local,
                         err);
    if (rc == 0)
        rc = side_update(w, MERGE_CANONICAL, WEAVE_CLIENT_CANONICAL, flags, &base, &agreed, &doc,
                         &canonical, err);
    if (rc == 0 && local.len)
        rc = ycrdt_apply(doc, local.p, local.len, err);
    if (rc < 0)
        return rc;
    ycrdt_read(doc, ycrdt_text(doc, WEAVE_ROOT), out);
    if (!updates)
        return 0;
    rc = join_updates(&base, &(struct str)STR_INIT, &updates->base, err);
    if (rc == 0)
        rc = join_updates(&agreed, &local, &updates->local, err);
    if (rc == 0)
        rc = join_updates(&agreed, &canonical, &updates->canonical, err);
    return rc;
}
