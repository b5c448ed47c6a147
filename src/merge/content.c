#include "merge/content.h"

#include <string.h>

#include "merge/text.h"

/* git's measure of what is not text. */
#define BINARY_SCAN 8000

static bool same_content(const struct file *a, const struct file *b)
{
    return memcmp(&a->oid, &b->oid, sizeof a->oid) == 0;
}

static void keep_beside(const struct content_input *in, enum merge_overlap_kind kind,
                        struct content_result *out)
{
    out->file = in->at[VERSION_CANONICAL];
    out->beside = in->at[VERSION_LOCAL];
    out->beside_kind = kind;
}

static void merge_mode(const struct content_input *in, struct content_result *out)
{
    const struct file *base = &in->at[VERSION_BASE];
    uint32_t local = in->at[VERSION_LOCAL].mode, canonical = in->at[VERSION_CANONICAL].mode;
    if (local == canonical) {
        out->file.mode = local;
    } else if (file_is_regular(base)) {
        out->file.mode = base->mode == local ? canonical : local;
    } else {
        out->file.mode = MERGE_MODE_EXEC;
        merge_report_add(&out->report, MERGE_FILE_MODE, MERGE_BOTH);
    }
}

enum readable { READ_TEXT, READ_BINARY, READ_OVERSIZED };

static int read_version(const struct merge_store *store, const struct file *f, size_t text_max,
                        bool any_is_text, struct str *text, enum readable *what, struct err *err)
{
    struct err reason = ERR_INIT;
    int rc = store->read_blob(store->ctx, &f->oid, text_max, text, &reason);
    if (rc == ERR_LIMIT) {
        *what = READ_OVERSIZED;
        return 0;
    }
    if (rc < 0)
        return err_set(err, rc, "%s", reason.msg);
    size_t scan = text->len < BINARY_SCAN ? text->len : BINARY_SCAN;
    if (!any_is_text && memchr(text->p, '\0', scan) && *what == READ_TEXT)
        *what = READ_BINARY;
    return 0;
}

static int merge_blobs(const struct merge_store *store, size_t text_max,
                       const struct content_input *in, struct content_result *out, struct err *err)
{
    enum merge_attr attr = store->attr ? store->attr(store->ctx, in->name) : MERGE_ATTR_AUTO;
    if (attr == MERGE_ATTR_BINARY) {
        keep_beside(in, MERGE_FILE_BINARY, out);
        return 0;
    }
    struct str text[VERSIONS] = {STR_INIT, STR_INIT, STR_INIT};
    enum readable what = READ_TEXT;
    int rc = 0;
    for (int v = 0; v < VERSIONS && rc == 0 && what != READ_OVERSIZED; v++)
        if (file_is_regular(&in->at[v]))
            rc = read_version(store, &in->at[v], text_max, attr == MERGE_ATTR_TEXT, &text[v], &what,
                              err);
    struct merge_text_result merged = MERGE_TEXT_RESULT_INIT;
    if (rc == 0 && what != READ_TEXT) {
        keep_beside(in, what == READ_BINARY ? MERGE_FILE_BINARY : MERGE_FILE_OVERSIZED, out);
    } else if (rc == 0) {
        struct merge_slice s[VERSIONS];
        for (int v = 0; v < VERSIONS; v++)
            s[v] = (struct merge_slice){text[v].p, text[v].len};
        rc = merge_text(s[VERSION_BASE], s[VERSION_LOCAL], s[VERSION_CANONICAL], &merged, err);
        if (rc == 0)
            rc = store->write_blob(store->ctx, merged.text.p, merged.text.len, &out->file.oid, err);
        if (!file_is_regular(&in->at[VERSION_BASE]))
            merge_report_add(&out->report, MERGE_FILE_BOTH_ADDED, MERGE_BOTH);
        merge_report_take(&out->report, &merged.report, NULL);
        out->merged_text = true;
    }
    merge_text_result_release(&merged);
    for (int v = 0; v < VERSIONS; v++)
        str_release(&text[v]);
    return rc;
}

static int merge_regular(const struct merge_store *store, size_t text_max,
                         const struct content_input *in, struct content_result *out,
                         struct err *err)
{
    const struct file *base = &in->at[VERSION_BASE], *local = &in->at[VERSION_LOCAL];
    const struct file *canonical = &in->at[VERSION_CANONICAL];
    out->file = *canonical;
    merge_mode(in, out);
    if (same_content(local, canonical) || (file_is_regular(base) && same_content(base, local)))
        return 0;
    if (file_is_regular(base) && same_content(base, canonical)) {
        out->file.oid = local->oid;
        return 0;
    }
    uint32_t mode = out->file.mode;
    int rc = merge_blobs(store, text_max, in, out, err);
    if (!file_exists(&out->beside))
        out->file.mode = mode;
    return rc;
}

static void merge_submodule(const struct merge_store *store, const struct content_input *in,
                            struct content_result *out)
{
    const struct merge_oid *local = &in->at[VERSION_LOCAL].oid;
    const struct merge_oid *canonical = &in->at[VERSION_CANONICAL].oid;
    out->file = in->at[VERSION_CANONICAL];
    if (store->submodule_contains &&
        store->submodule_contains(store->ctx, in->name, canonical, local))
        return;
    if (store->submodule_contains &&
        store->submodule_contains(store->ctx, in->name, local, canonical)) {
        out->file = in->at[VERSION_LOCAL];
        return;
    }
    struct merge_overlap *o = merge_report_add(&out->report, MERGE_FILE_SUBMODULE, MERGE_BOTH);
    for (size_t i = 0; i < MERGE_OID_LEN; i++) {
        str_addf(&o->local, "%02x", local->id[i]);
        str_addf(&o->canonical, "%02x", canonical->id[i]);
    }
}

int content_merge(const struct merge_store *store, size_t text_max, const struct content_input *in,
                  struct content_result *out, struct err *err)
{
    const struct file *base = &in->at[VERSION_BASE], *local = &in->at[VERSION_LOCAL];
    const struct file *canonical = &in->at[VERSION_CANONICAL];
    bool local_same = file_equal(base, local) && !in->moved[VERSION_LOCAL];
    bool canonical_same = file_equal(base, canonical) && !in->moved[VERSION_CANONICAL];
    if (file_equal(local, canonical) || local_same) {
        out->file = *canonical;
        return 0;
    }
    if (canonical_same) {
        out->file = *local;
        return 0;
    }
    if (!file_exists(local) || !file_exists(canonical)) {
        out->file = file_exists(local) ? *local : *canonical;
        if (file_exists(base))
            merge_report_add(&out->report, MERGE_FILE_DELETED_MODIFIED,
                             file_exists(local) ? MERGE_CANONICAL : MERGE_LOCAL);
        return 0;
    }
    if (file_is_regular(local) && file_is_regular(canonical))
        return merge_regular(store, text_max, in, out, err);
    if (file_equal(base, local))
        out->file = *canonical;
    else if (file_equal(base, canonical))
        out->file = *local;
    else if (local->mode == MERGE_MODE_SUBMODULE && canonical->mode == MERGE_MODE_SUBMODULE)
        merge_submodule(store, in, out);
    else if (local->mode == MERGE_MODE_LINK && canonical->mode == MERGE_MODE_LINK)
        keep_beside(in, MERGE_FILE_SYMLINK, out);
    else
        keep_beside(in, MERGE_FILE_TYPE, out);
    return 0;
}
