#include "sync/journal.h"

#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/path.h"

void journal_format(const struct tree_changes *changes, struct str *out)
{
    for (size_t i = 0; i < changes->len; i++) {
        const struct tree_change *c = &changes->v[i];
        char old_hex[OID_HEX + 1];
        char new_hex[OID_HEX + 1];
        oid_format(&c->old_oid, old_hex);
        oid_format(&c->new_oid, new_hex);
        str_addf(out, "%06o %06o %s %s %s", c->old_mode, c->new_mode, old_hex, new_hex, c->path);
        str_addc(out, '\0');
    }
}

#define HEAD (7 + 7 + 2 * (OID_HEX + 1))

static int parse_mode(const char *text, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 6; i++) {
        if (text[i] < '0' || text[i] > '7')
            return ERR_INVALID;
        *out = *out << 3 | (uint32_t)(text[i] - '0');
    }
    return text[6] == ' ' ? 0 : ERR_INVALID;
}

static int parse_one(const char *text, size_t len, struct tree_change *out)
{
    if (len <= HEAD || parse_mode(text, &out->old_mode) < 0 ||
        parse_mode(text + 7, &out->new_mode) < 0 ||
        oid_parse(text + 14, OID_HEX, &out->old_oid, NULL) < 0 || text[14 + OID_HEX] != ' ' ||
        oid_parse(text + 15 + OID_HEX, OID_HEX, &out->new_oid, NULL) < 0 || text[HEAD - 1] != ' ' ||
        !path_is_clean_rel(text + HEAD))
        return ERR_INVALID;
    out->path = xstrndup(text + HEAD, len - HEAD);
    return 0;
}

int journal_parse(const char *text, size_t len, struct tree_changes *out, struct err *err)
{
    while (len) {
        const char *end = memchr(text, '\0', len);
        struct tree_change c = {0};
        if (!end || parse_one(text, (size_t)(end - text), &c) < 0)
            return err_set(err, ERR_INVALID, "journal of the refresh is malformed");
        VEC_GROW(out->v, out->len, out->cap);
        out->v[out->len++] = c;
        len -= (size_t)(end + 1 - text);
        text = end + 1;
    }
    return 0;
}

bool journal_tmp_name(const char *name, size_t *change)
{
    const char *dot = strchr(name, '.');
    uint64_t n;
    uint64_t k;
    if (!dot || num_parse_u64(name, (size_t)(dot - name), 0, SIZE_MAX, &n, NULL) < 0 ||
        num_parse_u64(dot + 1, strlen(dot + 1), 0, SIZE_MAX, &k, NULL) < 0)
        return false;
    *change = (size_t)n;
    return true;
}
