#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"
#include "sandbox/sandbox.h"

#define STATUS_BYTES_MAX 65536

/* The rest of the line that starts with key, without leading blanks. */
static int find_line(const char *text, size_t len, const char *key, const char **value,
                     size_t *value_len, struct err *err)
{
    size_t key_len = strlen(key);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end ? (size_t)(end - (text + at)) : len - at;
        if (line >= key_len && memcmp(text + at, key, key_len) == 0) {
            size_t from = key_len;
            while (from < line && (text[at + from] == '\t' || text[at + from] == ' '))
                from++;
            *value = text + at + from;
            *value_len = line - from;
            return 0;
        }
        at += line + 1;
    }
    return err_set(err, ERR_INVALID, "process status has no line %s", key);
}

static int get_int(const char *text, size_t len, const char *key, int max, int *out,
                   struct err *err)
{
    const char *value;
    size_t n;
    uint64_t number;
    int rc = find_line(text, len, key, &value, &n, err);
    if (rc == 0)
        rc = num_parse_u64(value, n, 0, (uint64_t)max, &number, err);
    if (rc == 0)
        *out = (int)number;
    return rc;
}

static int get_hex(const char *text, size_t len, const char *key, uint64_t *out, struct err *err)
{
    const char *value;
    size_t n;
    int rc = find_line(text, len, key, &value, &n, err);
    if (rc < 0)
        return rc;
    if (n == 0 || n > 16)
        return err_set(err, ERR_INVALID, "process status: bad %s", key);
    uint64_t number = 0;
    for (size_t i = 0; i < n; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = value[i] ? strchr(digits, value[i]) : NULL;
        if (!d)
            return err_set(err, ERR_INVALID, "process status: bad %s", key);
        number = number << 4 | (uint64_t)(d - digits);
    }
    *out = number;
    return 0;
}

static int get_ids(const char *text, size_t len, const char *key, uint32_t out[4], struct err *err)
{
    const char *value;
    size_t n;
    int rc = find_line(text, len, key, &value, &n, err);
    for (int i = 0; rc == 0 && i < 4; i++) {
        const char *tab = memchr(value, '\t', n);
        size_t part = tab ? (size_t)(tab - value) : n;
        uint64_t number;
        rc = num_parse_u64(value, part, 0, UINT32_MAX, &number, err);
        if (rc < 0)
            break;
        out[i] = (uint32_t)number;
        size_t used = tab ? part + 1 : part;
        value += used;
        n -= used;
    }
    if (rc == 0 && n != 0)
        return err_set(err, ERR_INVALID, "process status: bad %s", key);
    return rc;
}

int sandbox_status_parse(const char *text, size_t len, struct sandbox_status *out, struct err *err)
{
    struct sandbox_status st = {0};
    int nnp = 0;
    int rc = get_ids(text, len, "Uid:", st.uid, err);
    if (rc == 0)
        rc = get_ids(text, len, "Gid:", st.gid, err);
    if (rc == 0)
        rc = get_hex(text, len, "CapInh:", &st.cap_inheritable, err);
    if (rc == 0)
        rc = get_hex(text, len, "CapPrm:", &st.cap_permitted, err);
    if (rc == 0)
        rc = get_hex(text, len, "CapEff:", &st.cap_effective, err);
    if (rc == 0)
        rc = get_hex(text, len, "CapBnd:", &st.cap_bounding, err);
    if (rc == 0)
        rc = get_hex(text, len, "CapAmb:", &st.cap_ambient, err);
    if (rc == 0)
        rc = get_int(text, len, "NoNewPrivs:", 1, &nnp, err);
    if (rc == 0)
        rc = get_int(text, len, "Seccomp:", 2, &st.seccomp, err);
    if (rc < 0)
        return rc;
    /* Since Linux 5.9 only. */
    if (get_int(text, len, "Seccomp_filters:", 1 << 20, &st.seccomp_filters, NULL) < 0)
        st.seccomp_filters = st.seccomp == 2;
    st.no_new_privs = nnp == 1;
    *out = st;
    return 0;
}

int sandbox_status_read(pid_t pid, struct sandbox_status *out, struct err *err)
{
    char path[64] = "/proc/self/status";
    if (pid != 0)
        (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    cleanup_str struct str text = STR_INIT;
    int rc = fd_read_file(AT_FDCWD, path, STATUS_BYTES_MAX, &text, err);
    return rc < 0 ? rc : sandbox_status_parse(text.p, text.len, out, err);
}
