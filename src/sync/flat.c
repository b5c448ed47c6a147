#include "sync/flat.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "sync/flat_table.h"

/* --- reading ---------------------------------------------------------------------------------- */

struct flat {
    int fd;
    struct str table;
};

void flat_free(struct flat *flat)
{
    if (!flat)
        return;
    if (flat->fd >= 0)
        close(flat->fd);
    str_release(&flat->table);
    free(flat);
}

void flat_freep(struct flat **flat)
{
    flat_free(*flat);
    *flat = NULL;
}

static int pread_full(int fd, uint64_t offset, size_t n, struct str *out, struct err *err)
{
    char *p = str_reserve(out, n);
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, p + done, n - done, (off_t)(offset + done));
        if (got <= 0)
            return got < 0 ? err_errno(err, "%s", FLAT_NAME)
                           : err_set(err, ERR_INVALID, "%s ends early", FLAT_NAME);
        done += (size_t)got;
    }
    str_grew(out, n);
    return 0;
}

static int load(struct flat *flat, struct err *err)
{
    cleanup_str struct str header = STR_INIT;
    struct stat st;
    size_t n = 0;
    if (fstat(flat->fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is no file", FLAT_NAME);
    uint64_t size = (uint64_t)st.st_size;
    int rc = pread_full(flat->fd, 0, FLAT_HEADER, &header, err);
    if (rc == 0)
        rc = flat_parse_header(header.p, header.len, size, &n, err);
    if (rc == 0)
        rc = pread_full(flat->fd, FLAT_HEADER, n, &flat->table, err);
    return rc ? rc : flat_check_table(flat->table.p, flat->table.len, size, err);
}

int flat_open(const char *canonical, struct flat **out, struct err *err)
{
    cleanup_free char *path = xasprintf("%s/" FLAT_NAME, canonical);
    cleanup_flat struct flat *flat = xcalloc(1, sizeof *flat);
    flat->table = (struct str)STR_INIT;
    flat->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (flat->fd < 0)
        return err_errno(err, "%s", path);
    int rc = load(flat, err);
    if (rc == 0)
        *out = steal(&flat);
    return rc;
}

int flat_read(const struct flat *flat, const struct oid *oid, struct str *out, struct err *err)
{
    struct flat_entry e;
    if (!flat_find(flat->table.p, flat->table.len, oid, &e))
        return ERR_NOT_FOUND;
    return pread_full(flat->fd, e.offset, e.len, out, err);
}
