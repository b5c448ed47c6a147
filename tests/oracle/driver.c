/*
 * Executes document commands for the oracle: one process, many documents. Reads frames from stdin
 * and answers each batch on stdout.
 *
 * A frame is a 32-bit little-endian length and that many bytes of commands, executed one after the
 * other. A command is one byte, then its arguments; numbers are LEB128, byte strings have their
 * length in front. Each command that has a result appends it to the answer, which is framed in the
 * same way:
 *
 *   'n' doc client        makes document number doc (frees the old one)
 *   'b' doc               begins a transaction
 *   'c' doc               commits; result: the update
 *   'i' doc pos text      inserts into the root "content" at a unit position
 *   'd' doc pos len       deletes
 *   'I', 'D'              the same in bytes
 *   'a' doc update        applies; result: one byte, 0 or 1 for refused
 *   'x' doc               applies what is parked and can go on
 *   't' doc               result: text
 *   's' doc               result: state vector
 *   'S' doc               result: snapshot (delete set, state vector)
 *   'e' doc sv            result: what the state vector lacks
 *   'm' n updates...      result: merged update
 *   'f' update sv         result: diff of the update
 *   'v' update            result: state vector of the update
 *   'w' doc               result: authors as numbers: count, then client clock pos len of each
 *   'p' doc               result: one byte, 1 when something is parked
 * A refused 'm', 'f', 'v' or 'e' gives the single byte 0xff.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ycrdt/codec.h"
#include "ycrdt/ycrdt.h"

#define DOCS 64
#define FRAME_MAX (256u << 20)

static struct ycrdt *docs[DOCS];

static uint64_t num(struct rd *r)
{
    uint64_t v;
    if (!rd_var(r, &v)) {
        fprintf(stderr, "oracle driver: command is cut off\n");
        exit(2);
    }
    return v;
}

static struct ycrdt_buf bytes(struct rd *r)
{
    const uint8_t *p;
    uint64_t n;
    if (!rd_buf(r, &p, &n)) {
        fprintf(stderr, "oracle driver: bytes are cut off\n");
        exit(2);
    }
    return (struct ycrdt_buf){p, n};
}

static struct ycrdt *doc_of(struct rd *r)
{
    struct ycrdt *d = docs[num(r) % DOCS];
    if (!d) {
        fprintf(stderr, "oracle driver: no such document\n");
        exit(2);
    }
    return d;
}

static void answer(struct str *out, int code, const struct str *result)
{
    if (code != 0) {
        str_add_var(out, 1);
        str_addc(out, (char)0xff);
        return;
    }
    str_add_var(out, result->len);
    str_add(out, result->p, result->len);
}

static void must(int code, const struct err *err)
{
    if (code != 0) {
        fprintf(stderr, "oracle driver: %s\n", err->msg);
        exit(2);
    }
}

static void new_doc(struct rd *r)
{
    uint64_t at = num(r) % DOCS;
    ycrdt_free(docs[at]);
    docs[at] = ycrdt_new(num(r), 0);
    ycrdt_text(docs[at], "content");
}

static void edit(uint8_t op, struct rd *r)
{
    struct err err = ERR_INIT;
    struct ycrdt *d = doc_of(r);
    unsigned text = ycrdt_text(d, "content");
    uint64_t pos = num(r);
    if (op == 'i' || op == 'I') {
        struct ycrdt_buf b = bytes(r);
        must(op == 'i' ? ycrdt_insert(d, text, pos, b.p, b.n, &err)
                       : ycrdt_insert_bytes(d, text, pos, b.p, b.n, &err),
             &err);
    } else {
        uint64_t len = num(r);
        must(op == 'd' ? ycrdt_delete(d, text, pos, len, &err)
                       : ycrdt_delete_bytes(d, text, pos, len, &err),
             &err);
    }
}

static void authors(struct ycrdt *d, struct str *out)
{
    struct ycrdt_span *v;
    size_t n;
    ycrdt_authors(d, ycrdt_text(d, "content"), &v, &n);
    str_add_var(out, n);
    for (size_t i = 0; i < n; i++) {
        str_add_var(out, v[i].client);
        str_add_var(out, v[i].clock);
        str_add_var(out, v[i].pos);
        str_add_var(out, v[i].len);
    }
    free(v);
}

static int merge(struct rd *r, struct str *out)
{
    uint64_t n = num(r);
    struct ycrdt_buf *v = xcalloc(n, sizeof *v);
    for (uint64_t i = 0; i < n; i++)
        v[i] = bytes(r);
    int code = ycrdt_merge_updates(v, n, out, NULL);
    free(v);
    return code;
}

static int apply(struct rd *r, struct str *out)
{
    struct ycrdt *d = doc_of(r);
    struct ycrdt_buf b = bytes(r);
    str_addc(out, ycrdt_apply(d, b.p, b.n, NULL) != 0);
    return 0;
}

static int encode(struct rd *r, struct str *out)
{
    struct ycrdt *d = doc_of(r);
    struct ycrdt_buf sv = bytes(r);
    return ycrdt_encode(d, sv.n ? sv.p : NULL, sv.n, out, NULL);
}

static int diff(struct rd *r, struct str *out)
{
    struct ycrdt_buf update = bytes(r), sv = bytes(r);
    return ycrdt_diff_update(update.p, update.n, sv.p, sv.n, out, NULL);
}

/* A command with a result. */
static int query(uint8_t op, struct rd *r, struct str *out)
{
    struct ycrdt_buf b;
    struct ycrdt *d;
    switch (op) {
    case 'a':
        return apply(r, out);
    case 'e':
        return encode(r, out);
    case 'm':
        return merge(r, out);
    case 'f':
        return diff(r, out);
    case 'v':
        b = bytes(r);
        return ycrdt_update_sv(b.p, b.n, out, NULL);
    default:
        break;
    }
    d = doc_of(r);
    if (op == 'c')
        ycrdt_commit(d, out);
    else if (op == 't')
        ycrdt_read(d, ycrdt_text(d, "content"), out);
    else if (op == 's')
        ycrdt_encode_sv(d, out);
    else if (op == 'S')
        ycrdt_encode_snapshot(d, out);
    else if (op == 'w')
        authors(d, out);
    else if (op == 'p')
        str_addc(out, ycrdt_has_pending(d));
    else
        exit(2);
    return 0;
}

static void run(struct rd *r, struct str *out)
{
    cleanup_str struct str result = STR_INIT;
    while (r->p < r->end) {
        uint8_t op = *r->p++;
        if (op == 'n') {
            new_doc(r);
        } else if (op == 'b') {
            ycrdt_begin(doc_of(r));
        } else if (op == 'x') {
            ycrdt_settle(doc_of(r));
        } else if (strchr("idID", op)) {
            edit(op, r);
        } else {
            str_clear(&result);
            int code = query(op, r, &result);
            answer(out, code, &result);
        }
    }
}

int main(void)
{
    struct str in = STR_INIT, out = STR_INIT;
    uint32_t n;
    while (fread(&n, sizeof n, 1, stdin) == 1) {
        if (n > FRAME_MAX)
            return 2;
        str_clear(&in);
        str_clear(&out);
        if (n && fread(str_reserve(&in, n), n, 1, stdin) != 1)
            return 2;
        struct rd r = {(const uint8_t *)in.p, (const uint8_t *)in.p + n};
        run(&r, &out);
        uint32_t len = (uint32_t)out.len;
        fwrite(&len, sizeof len, 1, stdout);
        fwrite(out.p, out.len, 1, stdout);
        fflush(stdout);
    }
    for (size_t i = 0; i < DOCS; i++)
        ycrdt_free(docs[i]);
    str_release(&in);
    str_release(&out);
    return 0;
}
