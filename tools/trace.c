#include "trace.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"

/* --- a JSON reader that knows what it looks for
 * --------------------------------------------------- */

struct in {
    const char *p;
    const char *end;
    bool bad;
};

static void space(struct in *in)
{
    while (in->p < in->end && (*in->p == ' ' || *in->p == '\n' || *in->p == '\r' || *in->p == '\t'))
        in->p++;
}

static bool take(struct in *in, char c)
{
    space(in);
    if (in->p == in->end || *in->p != c)
        return false;
    in->p++;
    return true;
}

static void expect(struct in *in, char c)
{
    if (!take(in, c)) {
        in->bad = true;
        in->p = in->end;
    }
}

static uint32_t number(struct in *in)
{
    uint64_t v = 0;
    space(in);
    const char *begin = in->p;
    while (in->p < in->end && *in->p >= '0' && *in->p <= '9' && v <= UINT32_MAX)
        v = v * 10 + (uint64_t)(*in->p++ - '0');
    if (in->p == begin || v > UINT32_MAX)
        in->bad = true;
    return (uint32_t)v;
}

static uint32_t hex4(struct in *in)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        char c = in->p < in->end ? *in->p++ : 'x';
        uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
        in->bad = in->bad || d == 16;
        v = v * 16 + (d & 15);
    }
    return v;
}

static void add_utf8(struct str *out, uint32_t c)
{
    if (c < 0x80) {
        str_addc(out, (char)c);
    } else if (c < 0x800) {
        str_addc(out, (char)(0xc0 | c >> 6));
        str_addc(out, (char)(0x80 | (c & 63)));
    } else {
        if (c < 0x10000) {
            str_addc(out, (char)(0xe0 | c >> 12));
        } else {
            str_addc(out, (char)(0xf0 | c >> 18));
            str_addc(out, (char)(0x80 | (c >> 12 & 63)));
        }
        str_addc(out, (char)(0x80 | (c >> 6 & 63)));
        str_addc(out, (char)(0x80 | (c & 63)));
    }
}

static void escape(struct in *in, struct str *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = in->p < in->end ? *in->p++ : '?';
    const char *at = strchr(from, c);
    if (c && at) {
        str_addc(out, to[at - from]);
        return;
    }
    if (c != 'u') {
        in->bad = true;
        return;
    }
    uint32_t v = hex4(in);
    if (v >= 0xd800 && v < 0xdc00 && in->end - in->p >= 6 && in->p[0] == '\\' && in->p[1] == 'u') {
        in->p += 2;
        uint32_t low = hex4(in);
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
        in->bad = in->bad || low < 0xdc00 || low > 0xdfff;
    }
    add_utf8(out, v);
}

static void string(struct in *in, struct str *out)
{
    expect(in, '"');
    while (in->p < in->end && *in->p != '"') {
        const char *begin = in->p;
        while (in->p < in->end && *in->p != '"' && *in->p != '\\')
            in->p++;
        str_add(out, begin, (size_t)(in->p - begin));
        if (in->p < in->end && *in->p == '\\') {
            in->p++;
            escape(in, out);
        }
    }
    expect(in, '"');
}

/* A scalar or a string that nobody needs. */
static void skip(struct in *in)
{
    cleanup_str struct str s = STR_INIT;
    space(in);
    if (in->p < in->end && *in->p == '"') {
        string(in, &s);
        return;
    }
    const char *begin = in->p;
    while (in->p < in->end && !strchr(",]}[{", *in->p))
        in->p++;
    in->bad = in->bad || in->p == begin;
}

/* --- the trace
 * ------------------------------------------------------------------------------------ */

static void patches(struct in *in, struct trace *t)
{
    expect(in, '[');
    while (!in->bad && !take(in, ']')) {
        struct trace_patch p = {0};
        expect(in, '[');
        p.pos = number(in);
        expect(in, ',');
        p.del = number(in);
        expect(in, ',');
        p.text = (uint32_t)t->text.len;
        string(in, &t->text);
        p.len = (uint32_t)t->text.len - p.text;
        expect(in, ']');
        take(in, ',');
        VEC_GROW(t->patch, t->patches, t->cap_patches);
        t->patch[t->patches++] = p;
    }
}

static void parents(struct in *in, struct trace *t)
{
    expect(in, '[');
    while (!in->bad && !take(in, ']')) {
        VEC_GROW(t->parent, t->parents, t->cap_parents);
        t->parent[t->parents++] = number(in);
        take(in, ',');
    }
}

static bool key_is(const struct str *key, const char *name)
{
    return strcmp(key->p, name) == 0;
}

static void transaction(struct in *in, struct trace *t)
{
    struct trace_txn x = {.patch = (uint32_t)t->patches, .parent = (uint32_t)t->parents};
    cleanup_str struct str key = STR_INIT;
    expect(in, '{');
    while (!in->bad && !take(in, '}')) {
        str_clear(&key);
        string(in, &key);
        expect(in, ':');
        if (key_is(&key, "patches"))
            patches(in, t);
        else if (key_is(&key, "parents"))
            parents(in, t);
        else if (key_is(&key, "agent"))
            x.agent = number(in);
        else
            skip(in);
        take(in, ',');
    }
    x.patches = (uint32_t)t->patches - x.patch;
    x.parents = (uint32_t)t->parents - x.parent;
    VEC_GROW(t->txn, t->txns, t->cap_txns);
    t->txn[t->txns++] = x;
}

static void whole(struct in *in, struct trace *t)
{
    cleanup_str struct str key = STR_INIT, kind = STR_INIT;
    t->agents = 1;
    expect(in, '{');
    while (!in->bad && !take(in, '}')) {
        str_clear(&key);
        string(in, &key);
        expect(in, ':');
        if (key_is(&key, "startContent")) {
            string(in, &t->start);
        } else if (key_is(&key, "endContent")) {
            string(in, &t->end);
        } else if (key_is(&key, "kind")) {
            string(in, &kind);
        } else if (key_is(&key, "numAgents")) {
            t->agents = number(in);
        } else if (key_is(&key, "txns")) {
            expect(in, '[');
            while (!in->bad && !take(in, ']')) {
                transaction(in, t);
                take(in, ',');
            }
        } else {
            skip(in);
        }
        take(in, ',');
    }
    t->concurrent = str_starts_with(kind.p, "concurrent");
}

static bool consistent(const struct trace *t)
{
    for (size_t i = 0; i < t->txns; i++) {
        if (t->txn[i].agent >= t->agents)
            return false;
        for (uint32_t k = 0; k < t->txn[i].parents; k++)
            if (t->parent[t->txn[i].parent + k] >= i)
                return false;
    }
    return t->agents > 0 && t->agents <= 1000;
}

static int read_gz(const char *path, struct str *out, struct err *err)
{
    int input = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
    gzFile f = input >= 0 ? gzdopen(input, "rb") : gzopen(path, "rbe");
    if (!f)
        return err_errno(err, "open %s", path);
    gzbuffer(f, 1 << 17);
    int n = 0, code = 0;
    while (code == 0 && (n = gzread(f, str_reserve(out, 1 << 17), 1 << 17)) > 0) {
        str_grew(out, (size_t)n);
        if (out->len > TRACE_MAX)
            code = err_set(err, ERR_LIMIT, "%s is longer than %zu bytes", path, TRACE_MAX);
    }
    if (n < 0)
        code = err_set(err, ERR_INVALID, "%s: damaged gzip data", path);
    gzclose(f);
    return code;
}

int trace_read(const char *path, struct trace *t, struct err *err)
{
    *t = (struct trace){.start = STR_INIT, .end = STR_INIT, .text = STR_INIT};
    cleanup_str struct str json = STR_INIT;
    int code = read_gz(path, &json, err);
    if (code != 0)
        return code;
    struct in in = {json.p, json.p + json.len, false};
    whole(&in, t);
    if (in.bad || !consistent(t))
        return err_set(err, ERR_INVALID, "%s is not an editing trace", path);
    return 0;
}

void trace_release(struct trace *t)
{
    str_release(&t->start);
    str_release(&t->end);
    str_release(&t->text);
    free(t->txn);
    free(t->patch);
    free(t->parent);
}
