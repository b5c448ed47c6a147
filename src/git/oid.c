#include "git/oid.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

const struct oid oid_empty_tree = {{0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60,
                                    0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb, 0xee, 0x49, 0x04}};
const struct oid oid_empty_blob = {{0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6, 0x43, 0x4b, 0x8b,
                                    0x29, 0xae, 0x77, 0x5a, 0xd8, 0xc2, 0xe4, 0x8c, 0x53, 0x91}};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int oid_parse(const char *text, size_t len, struct oid *out, struct err *err)
{
    if (len != OID_HEX)
        return err_set(err, ERR_INVALID, "not an object id");
    for (size_t i = 0; i < OID_LEN; i++) {
        int hi = hex_digit(text[2 * i]);
        int lo = hex_digit(text[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return err_set(err, ERR_INVALID, "not an object id");
        out->id[i] = (unsigned char)(hi << 4 | lo);
    }
    return 0;
}

void oid_format(const struct oid *oid, char out[OID_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < OID_LEN; i++) {
        out[2 * i] = digits[oid->id[i] >> 4];
        out[2 * i + 1] = digits[oid->id[i] & 15];
    }
    out[OID_HEX] = '\0';
}

bool oid_equal(const struct oid *a, const struct oid *b)
{
    return memcmp(a->id, b->id, OID_LEN) == 0;
}

bool oid_is_zero(const struct oid *oid)
{
    static const struct oid zero;
    return oid_equal(oid, &zero);
}

void oid_hash(const void *p, size_t n, struct oid *out)
{
    unsigned len = OID_LEN;
    BUG_ON(EVP_Digest(p, n, out->id, &len, EVP_sha1(), NULL) != 1 || len != OID_LEN);
}

/* Ids are hashes already; their first bytes choose the slot. */
static size_t slot_of(const struct oid_set *set, const struct oid *oid)
{
    size_t at;
    memcpy(&at, oid->id, sizeof at);
    at &= set->cap - 1;
    while (!oid_is_zero(&set->slots[at]) && !oid_equal(&set->slots[at], oid))
        at = (at + 1) & (set->cap - 1);
    return at;
}

static void set_grow(struct oid_set *set)
{
    struct oid_set bigger = {.cap = set->cap ? set->cap * 2 : 64, .len = set->len};
    bigger.slots = xcalloc(bigger.cap, sizeof *bigger.slots);
    for (size_t i = 0; i < set->cap; i++)
        if (!oid_is_zero(&set->slots[i]))
            bigger.slots[slot_of(&bigger, &set->slots[i])] = set->slots[i];
    free(set->slots);
    *set = bigger;
}

bool oid_set_add(struct oid_set *set, const struct oid *oid)
{
    BUG_ON(oid_is_zero(oid));
    if (set->len * 2 >= set->cap)
        set_grow(set);
    size_t at = slot_of(set, oid);
    if (!oid_is_zero(&set->slots[at]))
        return false;
    set->slots[at] = *oid;
    set->len++;
    return true;
}

bool oid_set_has(const struct oid_set *set, const struct oid *oid)
{
    return set->cap && !oid_is_zero(&set->slots[slot_of(set, oid)]);
}

void oid_set_release(struct oid_set *set)
{
    free(set->slots);
    *set = (struct oid_set)OID_SET_INIT;
}
