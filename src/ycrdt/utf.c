/* UTF-8 measured in UTF-16 units. */
#include <string.h>

#include "ycrdt/internal.h"

static bool is_cont(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the valid sequence at p, 0 if there is none. */
static size_t sequence(const unsigned char *p, size_t n)
{
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2)
        return 0;
    if (c < 0xe0)
        return n >= 2 && is_cont(p[1]) ? 2 : 0;
    if (c < 0xf0) {
        if (n < 3 || !is_cont(p[1]) || !is_cont(p[2]))
            return 0;
        if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
            return 0;
        return 3;
    }
    if (c > 0xf4 || n < 4 || !is_cont(p[1]) || !is_cont(p[2]) || !is_cont(p[3]))
        return 0;
    if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return 4;
}

static size_t ascii_prefix(const char *p, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        if (w & UINT64_C(0x8080808080808080))
            break;
    }
    while (i < n && (unsigned char)p[i] < 0x80)
        i++;
    return i;
}

size_t utf_units(const char *p, size_t n)
{
    size_t units = 0, i = 0;
    while (i < n) {
        size_t run = ascii_prefix(p + i, n - i);
        units += run;
        i += run;
        while (i < n && (unsigned char)p[i] >= 0x80) {
            size_t len = sequence((const unsigned char *)p + i, n - i);
            if (len == 0)
                return SIZE_MAX;
            units += len == 4 ? 2 : 1;
            i += len;
        }
    }
    return units;
}

size_t utf_count(const char *p, size_t n)
{
    const uint64_t low = UINT64_C(0x0101010101010101);
    size_t units = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        uint64_t cont = (w >> 7) & ~(w >> 6) & low;
        uint64_t four = (w >> 7) & (w >> 6) & (w >> 5) & (w >> 4) & low;
        units += 8 - (size_t)(cont * low >> 56) + (size_t)(four * low >> 56);
    }
    for (; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        units += ((c & 0xc0) != 0x80) + (c >= 0xf0);
    }
    return units;
}

#define SKIP_STEP 256

size_t utf_offset(const char *p, size_t n, size_t unit, bool *mid)
{
    *mid = false;
    size_t i = 0;
    /* A byte is at most one unit's share (four bytes make two), so a step never goes past. */
    while (unit > SKIP_STEP && n - i > SKIP_STEP) {
        unit -= utf_count(p + i, SKIP_STEP);
        i += SKIP_STEP;
    }
    while (i < n && is_cont((unsigned char)p[i]))
        i++;
    while (unit > 0 && i < n) {
        unsigned char c = (unsigned char)p[i];
        if (c >= 0xf0) {
            if (unit == 1) {
                *mid = true;
                return i;
            }
            unit -= 2;
            i += 4;
        } else {
            unit--;
            i += c < 0x80 ? 1 : c < 0xe0 ? 2 : 3;
        }
    }
    return i;
}
