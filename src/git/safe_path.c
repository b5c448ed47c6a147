#include "git/safe_path.h"

#include <string.h>
#include <sys/stat.h>

/* Next character of text for HFS+: code points that it ignores in names are skipped, ASCII is
 * folded. Anything else comes back as 0x80. 0 at the end. (Apple Technical Note TN1150.) */
static int hfs_next(const unsigned char *p, size_t len, size_t *at)
{
    while (*at < len) {
        size_t left = len - *at;
        const unsigned char *q = p + *at;
        if (q[0] < 0x80) {
            (*at)++;
            return q[0] >= 'A' && q[0] <= 'Z' ? q[0] + 32 : q[0];
        }
        bool ignored = left >= 3 && q[0] == 0xe2 &&
                       ((q[1] == 0x80 && ((q[2] >= 0x8c && q[2] <= 0x8f) ||   /* U+200C..200F */
                                          (q[2] >= 0xaa && q[2] <= 0xae))) || /* U+202A..202E */
                        (q[1] == 0x81 && q[2] >= 0xaa && q[2] <= 0xaf));      /* U+206A..206F */
        ignored |= left >= 3 && q[0] == 0xef && q[1] == 0xbb && q[2] == 0xbf; /* U+FEFF */
        if (!ignored) {
            (*at)++;
            return 0x80;
        }
        *at += 3;
    }
    return 0;
}

/* name as HFS+ sees it is ".<word>" */
static bool hfs_is_dot(const char *name, size_t len, const char *word)
{
    const unsigned char *p = (const unsigned char *)name;
    size_t at = 0;
    if (hfs_next(p, len, &at) != '.')
        return false;
    for (; *word; word++)
        if (hfs_next(p, len, &at) != *word)
            return false;
    return hfs_next(p, len, &at) == 0;
}

static bool ascii_same(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] + 32) : a[i];
        if (c != b[i])
            return false;
    }
    return true;
}

/* What NTFS makes of a name: everything from ':' is a stream, trailing dots and spaces fall off. */
static size_t ntfs_len(const char *name, size_t len)
{
    const char *colon = memchr(name, ':', len);
    if (colon)
        len = (size_t)(colon - name);
    while (len && (name[len - 1] == '.' || name[len - 1] == ' '))
        len--;
    return len;
}

/* ".<word>" or the short name "<first six>~1..4" that NTFS makes of it. */
static bool ntfs_is_dot(const char *name, size_t len, const char *word)
{
    size_t n = ntfs_len(name, len);
    size_t w = strlen(word);
    if (n == w + 1 && name[0] == '.' && ascii_same(name + 1, word, w))
        return true;
    size_t stem = w < 6 ? w : 6;
    return n == stem + 2 && ascii_same(name, word, stem) && name[stem] == '~' &&
           name[stem + 1] >= '1' && name[stem + 1] <= '4';
}

static bool is_dot(const char *name, size_t len, const char *word)
{
    /* A backslash separates on Windows: each part is a name there. */
    while (true) {
        const char *sep = memchr(name, '\\', len);
        size_t part = sep ? (size_t)(sep - name) : len;
        if (hfs_is_dot(name, part, word) || ntfs_is_dot(name, part, word))
            return true;
        if (!sep)
            return false;
        name += part + 1;
        len -= part + 1;
    }
}

bool safe_name(const char *name, size_t len)
{
    if (len == 0 || len > SAFE_NAME_MAX)
        return false;
    if (memchr(name, '/', len) || memchr(name, '\0', len))
        return false;
    if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
        return false;
    return !is_dot(name, len, "git");
}

bool safe_entry(const char *name, size_t len, uint32_t mode)
{
    if (!safe_name(name, len))
        return false;
    if (!S_ISLNK(mode))
        return true;
    return !is_dot(name, len, "gitmodules") && !is_dot(name, len, "gitattributes") &&
           !is_dot(name, len, "gitignore");
}

bool safe_path(const char *path, size_t len)
{
    if (len == 0 || len > 4095)
        return false;
    while (true) {
        const char *sep = memchr(path, '/', len);
        size_t part = sep ? (size_t)(sep - path) : len;
        if (!safe_name(path, part))
            return false;
        if (!sep)
            return true;
        path += part + 1;
        len -= part + 1;
    }
}
