/* Structs as they stand in an update: reading, checking, writing again without a document. */
#include <string.h>

#include "ycrdt/internal.h"
#include "ycrdt/rec_fast.h"
#include "ycrdt/value.h"

static bool checked(enum rec_mode mode)
{
    return mode == REC_CHECK || mode == REC_CHECK_RAW;
}

static bool text_ok(enum rec_mode mode, const uint8_t *p, uint64_t n)
{
    return mode != REC_CHECK || utf_units((const char *)p, n) != SIZE_MAX;
}

static bool rd_text(struct rd *r, enum rec_mode mode, const uint8_t **p, uint32_t *n)
{
    uint64_t len;
    if (!rd_buf(r, p, &len) || len > YCRDT_MAX_UPDATE || !text_ok(mode, *p, len))
        return false;
    *n = (uint32_t)len;
    return true;
}

static bool rd_json(struct rd *r, enum rec_mode mode)
{
    const uint8_t *p;
    uint32_t n;
    return rd_text(r, mode, &p, &n) && (!checked(mode) || json_valid(p, n));
}

static inline bool rd_id(struct rd *r, uint64_t *client, uint32_t *clock)
{
    uint64_t c;
    if (!rd_var(r, client) || !rd_var(r, &c) || c > YCRDT_MAX_CLOCK)
        return false;
    *clock = (uint32_t)c;
    return true;
}

static bool rd_json_list(struct rd *r, enum rec_mode mode, uint64_t count)
{
    while (count--) {
        const uint8_t *p;
        uint32_t n;
        if (!rd_text(r, mode, &p, &n))
            return false;
        bool undefined = n == 9 && memcmp(p, "undefined", 9) == 0;
        if (checked(mode) && !undefined && !json_valid(p, n))
            return false;
    }
    return true;
}

static bool rd_list(struct rd *r, enum rec_mode mode, struct rec *rec, uint64_t *len)
{
    if (!rd_var(r, len) || *len > rd_left(r))
        return false;
    rec->content = r->p;
    if (rec->kind == K_JSON)
        return rd_json_list(r, mode, *len);
    for (uint64_t i = 0; i < *len; i++)
        if (!any_skip(r, 0))
            return false;
    return true;
}

static bool rd_string(struct rd *r, enum rec_mode mode, struct rec *rec, uint64_t *len)
{
    const uint8_t *p;
    uint64_t n;
    if (!rd_buf(r, &p, &n))
        return false;
    rec->content = p;
    rec->content_len = (uint32_t)n;
    *len = rec_text_units(mode, p, n);
    return *len != SIZE_MAX;
}

static bool rd_type(struct rd *r, enum rec_mode mode, struct rec *rec)
{
    uint64_t ref;
    if (!rd_var(r, &ref) || ref > REF_LAST)
        return false;
    rec->ref = (uint8_t)ref;
    rec->content = NULL;
    if (ref == REF_XML_ELEMENT || ref == REF_XML_HOOK)
        return rd_text(r, mode, &rec->content, &rec->content_len);
    return true;
}

static bool rd_content(struct rd *r, enum rec_mode mode, struct rec *rec, uint64_t *len)
{
    const uint8_t *p;
    uint32_t n;
    uint64_t size;
    bool ok = false;
    *len = 1;
    rec->content = r->p;
    rec->content_len = 0;
    switch (rec->kind) {
    case K_DELETED:
        return rd_var(r, len);
    case K_STRING:
        return rd_string(r, mode, rec, len);
    case K_TYPE:
        return rd_type(r, mode, rec);
    case K_JSON:
    case K_ANY:
        ok = rd_list(r, mode, rec, len);
        break;
    case K_BINARY:
        ok = rd_buf(r, &p, &size);
        break;
    case K_EMBED:
        ok = rd_json(r, mode);
        break;
    case K_FORMAT:
        ok = rd_text(r, mode, &p, &n) && rd_json(r, mode);
        break;
    case K_DOC:
        ok = rd_text(r, mode, &p, &n) && any_skip(r, 0);
        break;
    default:
        break;
    }
    rec->content_len = (uint32_t)(r->p - rec->content);
    return ok;
}

static bool rd_parent(struct rd *r, enum rec_mode mode, struct rec *rec)
{
    uint64_t root;
    if (!rd_var(r, &root) || root > 1)
        return false;
    rec->root = root;
    if (root ? !rd_text(r, mode, &rec->name, &rec->name_len)
             : !rd_id(r, &rec->parent_client, &rec->parent_clock))
        return false;
    return !(rec->info & INFO_SUB) || rd_text(r, mode, &rec->sub, &rec->sub_len);
}

/* A struct may depend on earlier structs of its own client only, so such causes are always there.
 */
static bool causes_ok(const struct rec *rec)
{
    uint64_t own = rec->client;
    if ((rec->info & INFO_LEFT) && rec->left_client == own && rec->left_clock >= rec->clock)
        return false;
    if ((rec->info & INFO_RIGHT) && rec->right_client == own && rec->right_clock >= rec->clock)
        return false;
    bool parent = !(rec->info & (INFO_LEFT | INFO_RIGHT)) && !rec->root;
    return !parent || rec->parent_client != own || rec->parent_clock < rec->clock;
}

int rec_read(struct rd *r, enum rec_mode mode, uint64_t client, uint64_t clock, struct rec *rec)
{
    uint64_t len = 0;
    if (r->p == r->end)
        return ERR_INVALID;
    rec->start = r->p;
    rec->info = *r->p++;
    rec->kind = rec->info & INFO_KIND;
    rec->client = client;
    rec->clock = (uint32_t)clock;
    rec->skip = 0;
    rec->sub = NULL;
    rec->root = false;
    if (rec->kind == K_GC || rec->kind == K_SKIP) {
        if (rec->info != rec->kind || !rd_var(r, &len))
            return ERR_INVALID;
    } else {
        if (rec->kind > K_SKIP)
            return ERR_INVALID;
        if ((rec->info & INFO_LEFT) && !rd_id(r, &rec->left_client, &rec->left_clock))
            return ERR_INVALID;
        if ((rec->info & INFO_RIGHT) && !rd_id(r, &rec->right_client, &rec->right_clock))
            return ERR_INVALID;
        if (!(rec->info & (INFO_LEFT | INFO_RIGHT)) && !rd_parent(r, mode, rec))
            return ERR_INVALID;
        if (!causes_ok(rec) || !rd_content(r, mode, rec, &len))
            return ERR_INVALID;
    }
    rec->end = r->p;
    if (len == 0)
        return ERR_INVALID;
    if (len > YCRDT_MAX_CLOCK - clock)
        return ERR_LIMIT;
    rec->len = (uint32_t)len;
    return 0;
}

uint32_t content_skip(uint8_t kind, const uint8_t *p, uint32_t n, uint32_t count)
{
    struct rd r = {p, p + n};
    const uint8_t *text;
    uint64_t len;
    while (count--)
        BUG_ON(kind == K_JSON ? !rd_buf(&r, &text, &len) : !any_skip(&r, 0));
    return (uint32_t)(r.p - p);
}

/* --- writing
 * ---------------------------------------------------------------------------------------- */

static void write_tail(struct str *out, const struct rec *rec, bool raw)
{
    const char *p = (const char *)rec->content;
    uint32_t n = rec->content_len, at;
    if (rec->kind == K_DELETED) {
        str_add_var(out, rec->len);
    } else if (rec->kind == K_STRING) {
        bool mid = false;
        at = raw ? rec->skip : (uint32_t)utf_offset(p, n, rec->skip, &mid);
        str_add_var(out, mid ? n - at - 1 : n - at);
        if (mid) {
            str_adds(out, UTF_REPLACEMENT);
            at += 4;
        }
        str_add(out, p + at, n - at);
    } else {
        at = content_skip(rec->kind, rec->content, n, rec->skip);
        str_add_var(out, rec->len);
        str_add(out, p + at, n - at);
    }
}

void rec_write(struct str *out, const struct rec *rec, bool raw)
{
    if (rec->kind == K_GC || rec->kind == K_SKIP) {
        str_addc(out, (char)rec->kind);
        str_add_var(out, rec->len);
        return;
    }
    /* The key of a struct that has a neighbour is not known here, and then not announced. */
    uint8_t sub = rec->sub ? INFO_SUB : 0;
    uint8_t info = (uint8_t)(rec->kind | (rec->info & (INFO_LEFT | INFO_RIGHT)) | sub);
    if (rec->skip == 0) {
        str_addc(out, (char)info);
        str_add(out, rec->start + 1, (size_t)(rec->end - rec->start) - 1);
        return;
    }
    str_addc(out, (char)(info | INFO_LEFT));
    str_add_var(out, rec->client);
    str_add_var(out, rec->clock - 1);
    if (rec->info & INFO_RIGHT) {
        str_add_var(out, rec->right_client);
        str_add_var(out, rec->right_clock);
    }
    write_tail(out, rec, raw);
}
