#include "sync/strays.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* What the index has directly in one directory. */
struct child {
    const char *name; /* within the path of an entry */
    uint32_t len;
    bool directory;
    size_t from, to; /* its entries */
};

struct children {
    struct child *slots; /* by hash; name NULL: free */
    size_t cap;          /* power of two, more than twice as many as there are */
};

static size_t hash_name(const char *name, size_t len)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)name[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* The child of that name, or the free place for it. */
static struct child *child_find(const struct children *c, const char *name, size_t len)
{
    size_t at = hash_name(name, len) & (c->cap - 1);
    while (c->slots[at].name &&
           (c->slots[at].len != len || memcmp(c->slots[at].name, name, len) != 0))
        at = (at + 1) & (c->cap - 1);
    return &c->slots[at];
}

/* One past the entries that begin with the first n bytes of entry `from`. */
static size_t end_of(const struct index *index, size_t from, size_t to, size_t n)
{
    const char *prefix = index->v[from].path;
    size_t low = from + 1;
    size_t high = to;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strncmp(index->v[mid].path, prefix, n) == 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct child next_child(const struct index *index, size_t from, size_t to, size_t prefix)
{
    const char *name = index->v[from].path + prefix;
    const char *slash = strchr(name, '/');
    struct child one = {.name = name, .from = from, .to = from + 1};
    one.len = (uint32_t)(slash ? (size_t)(slash - name) : strlen(name));
    one.directory = slash != NULL;
    if (slash)
        one.to = end_of(index, from, to, prefix + one.len + 1);
    return one;
}

/* Children of the directory whose path is the first `prefix` bytes of these entries. */
static void children_of(const struct index *index, size_t from, size_t to, size_t prefix,
                        struct children *out)
{
    size_t n = 0;
    for (size_t i = from; i < to; n++)
        i = next_child(index, i, to, prefix).to;
    out->cap = 8;
    while (out->cap <= 2 * n)
        out->cap *= 2;
    out->slots = xcalloc(out->cap, sizeof *out->slots);
    for (size_t i = from; i < to;) {
        struct child one = next_child(index, i, to, prefix);
        *child_find(out, one.name, one.len) = one;
        i = one.to;
    }
}

static bool any_below(int parent, const char *name, const struct index *index,
                      const struct child *where, size_t prefix, int depth);

/* A name in a directory that the index knows. */
static bool is_stray(int dir, const struct dirent *e, const struct index *index,
                     const struct children *children, size_t prefix, int depth)
{
    size_t len = strlen(e->d_name);
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
        (depth == 0 && strcmp(e->d_name, ".git") == 0))
        return false;
    const struct child *c = child_find(children, e->d_name, len);
    if (!c->name || e->d_type == DT_UNKNOWN || c->directory != (e->d_type == DT_DIR))
        return true;
    return c->directory && any_below(dir, e->d_name, index, c, prefix + len + 1, depth + 1);
}

static bool any_below(int parent, const char *name, const struct index *index,
                      const struct child *where, size_t prefix, int depth)
{
    int fd = depth > STRAYS_DEPTH_MAX
                 ? -1
                 : openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    struct children children;
    struct dirent *e;
    bool found = false;
    children_of(index, where->from, where->to, prefix, &children);
    while (!found && (e = readdir(dir)))
        found = is_stray(fd, e, index, &children, prefix, depth);
    free(children.slots);
    closedir(dir);
    return found;
}

bool strays_any(int tree, const struct index *index)
{
    const struct child top = {.from = 0, .to = index->len};
    return any_below(tree, ".", index, &top, 0, 0);
}
