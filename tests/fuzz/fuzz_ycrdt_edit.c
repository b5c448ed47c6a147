/*
 * Edits and exchanges of three documents as the input says: each is consistent at any time, reads
 * as a plain string edited in the same way, and all are alike in the end.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/ycrdt/check.h"
#include "ycrdt/ycrdt.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define DOCS 3
#define STEPS 400

static const char *const words[] = {
    "a", "bc", "\xc3\xbc", "\xe6\x97\xa5\xe6\x9c\xac", "xyz ", "\n", "0123456789abcdef0123456789"};

static void read_text(struct ycrdt *d, struct str *out)
{
    str_clear(out);
    ycrdt_read(d, ycrdt_text(d, "t"), out);
}

/* By bytes; both sides refuse a position within a character. */
static void edit(struct ycrdt *d, unsigned char op, unsigned char where)
{
    cleanup_str struct str want = STR_INIT, got = STR_INIT;
    unsigned text = ycrdt_text(d, "t");
    read_text(d, &want);
    size_t pos = want.len ? (size_t)where * want.len / 255 : 0;
    if (op % 3 < 2) {
        const char *w = words[op / 3 % ARRAY_LEN(words)];
        if (ycrdt_insert_bytes(d, text, pos, w, strlen(w), NULL) != 0)
            return;
        cleanup_str struct str tail = STR_INIT;
        str_add(&tail, want.p + pos, want.len - pos);
        str_truncate(&want, pos);
        str_adds(&want, w);
        str_add(&want, tail.p, tail.len);
    } else {
        size_t n = (size_t)(op / 3) % 12;
        n = n > want.len - pos ? want.len - pos : n;
        if (ycrdt_delete_bytes(d, text, pos, n, NULL) != 0)
            return;
        cleanup_str struct str tail = STR_INIT;
        str_add(&tail, want.p + pos + n, want.len - pos - n);
        str_truncate(&want, pos);
        str_add(&want, tail.p, tail.len);
    }
    read_text(d, &got);
    BUG_ON(got.len != want.len || memcmp(got.p, want.p, want.len) != 0);
}

static void sync(struct ycrdt *from, struct ycrdt *to)
{
    cleanup_str struct str sv = STR_INIT, diff = STR_INIT;
    ycrdt_encode_sv(to, &sv);
    BUG_ON(ycrdt_encode(from, sv.p, sv.len, &diff, NULL) != 0);
    BUG_ON(ycrdt_apply(to, diff.p, diff.len, NULL) != 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct ycrdt *d[DOCS];
    struct str log[STEPS];
    size_t n = 0;
    for (size_t i = 0; i < DOCS; i++)
        d[i] = ycrdt_new(i + 1, 0);
    for (size_t at = 0; at + 3 <= size && n < STEPS; at += 3) {
        unsigned char who = data[at] % DOCS, what = data[at] / DOCS;
        if (what % 8 == 0) {
            sync(d[data[at + 1] % DOCS], d[who]);
        } else if (what % 8 == 1 && n > 0) {
            const struct str *u = &log[data[at + 1] % n];
            BUG_ON(u->len && ycrdt_apply(d[who], u->p, u->len, NULL) != 0);
        } else {
            log[n] = (struct str)STR_INIT;
            ycrdt_begin(d[who]);
            edit(d[who], data[at + 1], data[at + 2]);
            ycrdt_commit(d[who], &log[n++]);
        }
        if (at % 24 == 0) /* every eighth step */
            check_doc(d[who]);
    }
    cleanup_str struct str first = STR_INIT, text = STR_INIT;
    for (size_t i = 0; i < DOCS; i++) {
        for (size_t k = 0; k < n; k++)
            BUG_ON(log[k].len && ycrdt_apply(d[i], log[k].p, log[k].len, NULL) != 0);
        ycrdt_settle(d[i]);
        check_doc(d[i]);
        read_text(d[i], &text);
        if (i == 0)
            str_add(&first, text.p, text.len);
        BUG_ON(text.len != first.len || memcmp(text.p, first.p, first.len) != 0);
    }
    for (size_t i = 0; i < DOCS; i++)
        ycrdt_free(d[i]);
    for (size_t k = 0; k < n; k++)
        str_release(&log[k]);
    return 0;
}
