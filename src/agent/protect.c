#include "agent/protect.h"

#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "sandbox/sandbox.h"

#define SMALL_FILE_MAX 65536
/* cgroup v1 says "no limit" as the largest multiple of a page: anything near it. */
#define NO_LIMIT (UINT64_C(1) << 62)

static size_t trimmed(const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    return len;
}

int protect_parse_limit(const char *text, size_t len, uint64_t *out, struct err *err)
{
    len = trimmed(text, len);
    if ((len == 3 && memcmp(text, "max", 3) == 0) || (len == 2 && memcmp(text, "-1", 2) == 0)) {
        *out = UINT64_MAX;
        return 0;
    }
    int rc = num_parse_u64(text, len, 0, UINT64_MAX, out, err);
    if (rc == 0 && *out >= NO_LIMIT)
        *out = UINT64_MAX;
    return rc;
}

uint64_t protect_cpu_milli(int64_t quota, uint64_t period)
{
    if (quota < 0 || period == 0 || (uint64_t)quota > UINT64_MAX / 1000)
        return UINT64_MAX;
    return (uint64_t)quota * 1000 / period;
}

int protect_parse_cpu_max(const char *text, size_t len, uint64_t *milli, struct err *err)
{
    len = trimmed(text, len);
    const char *blank = memchr(text, ' ', len);
    if (!blank)
        return err_set(err, ERR_INVALID, "cpu.max is malformed");
    uint64_t quota, period;
    int rc = protect_parse_limit(text, (size_t)(blank - text), &quota, err);
    if (rc == 0)
        rc =
            num_parse_u64(blank + 1, len - (size_t)(blank + 1 - text), 1, UINT32_MAX, &period, err);
    if (rc < 0)
        return rc;
    *milli = quota > INT64_MAX ? UINT64_MAX : protect_cpu_milli((int64_t)quota, period);
    return 0;
}

bool protect_uid_map_is_private(const char *text, size_t len)
{
    cleanup_free char *copy = xstrndup(text, len);
    cleanup_strv struct strv words = STRV_INIT;
    strv_split(&words, copy, " \t\n");
    for (size_t i = 0; i + 2 < words.len; i += 3)
        if (strcmp(words.v[i], "0") == 0)
            return strcmp(words.v[i + 1], "0") != 0;
    return words.len >= 3;
}

static int read_small(const char *path, struct str *out, struct err *err)
{
    return fd_read_file(AT_FDCWD, path, SMALL_FILE_MAX, out, err);
}

/* The first of the paths that can be read as a limit. */
static int read_limit(const char *const *paths, size_t n, uint64_t *out)
{
    for (size_t i = 0; i < n; i++) {
        cleanup_str struct str text = STR_INIT;
        if (read_small(paths[i], &text, NULL) == 0 &&
            protect_parse_limit(text.p, text.len, out, NULL) == 0)
            return 0;
    }
    return ERR_NOT_FOUND;
}

static int check_limit(const char *what, const char *const *paths, size_t n, uint64_t wanted,
                       struct err *err)
{
    uint64_t found = UINT64_MAX;
    if (wanted == 0)
        return 0;
    if (read_limit(paths, n, &found) < 0)
        return err_set(err, ERR_DENIED, "the limit of %s cannot be read", what);
    if (found > wanted)
        return err_set(err, ERR_DENIED, "the limit of %s is not in force", what);
    return 0;
}

/* 0 with *milli, from cgroup v2 or v1. */
static int read_cpu(uint64_t *milli)
{
    static const char *const v1[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    cleanup_str struct str text = STR_INIT;
    if (read_small("/sys/fs/cgroup/cpu.max", &text, NULL) == 0)
        return protect_parse_cpu_max(text.p, text.len, milli, NULL);
    for (size_t i = 0; i < ARRAY_LEN(v1); i++) {
        cleanup_free char *quota_path = xasprintf("%s/cpu.cfs_quota_us", v1[i]);
        cleanup_free char *period_path = xasprintf("%s/cpu.cfs_period_us", v1[i]);
        const char *quota_paths[] = {quota_path};
        const char *period_paths[] = {period_path};
        uint64_t quota, period;
        if (read_limit(quota_paths, 1, &quota) == 0 && read_limit(period_paths, 1, &period) == 0) {
            *milli = quota > INT64_MAX ? UINT64_MAX : protect_cpu_milli((int64_t)quota, period);
            return 0;
        }
    }
    return ERR_NOT_FOUND;
}

static int check_cpu(int wanted_milli, struct err *err)
{
    uint64_t milli = UINT64_MAX;
    if (wanted_milli == 0)
        return 0;
    if (read_cpu(&milli) < 0)
        return err_set(err, ERR_DENIED, "the limit of processors cannot be read");
    if (milli > (uint64_t)wanted_milli)
        return err_set(err, ERR_DENIED, "the limit of processors is not in force");
    return 0;
}

static int check_privileges(struct err *err)
{
    struct sandbox_status st;
    int rc = sandbox_status_read(0, &st, err);
    if (rc < 0)
        return rc;
    if (st.cap_bounding & ~PROTECT_CAPABILITIES)
        return err_set(err, ERR_DENIED, "the container has more capabilities than it needs");
    if ((st.cap_effective & PROTECT_CAPABILITIES) != PROTECT_CAPABILITIES)
        return err_set(err, ERR_DENIED, "the container lacks a capability that sshd needs");
    if (!st.no_new_privs)
        return err_set(err, ERR_DENIED, "no-new-privileges is not set");
    struct statvfs fs;
    if (statvfs("/", &fs) != 0)
        return err_errno(err, "/");
    if (!(fs.f_flag & ST_RDONLY))
        return err_set(err, ERR_DENIED, "the root file system is writable");
    return 0;
}

static int check_userns(const struct session_spec *spec, struct err *err)
{
    cleanup_str struct str map = STR_INIT;
    if (!spec->require_userns)
        return 0;
    int rc = read_small("/proc/self/uid_map", &map, err);
    if (rc < 0)
        return rc;
    if (!protect_uid_map_is_private(map.p, map.len))
        return err_set(err, ERR_DENIED, "the container has no user namespace of its own");
    return 0;
}

int protect_check(const struct session_spec *spec, struct err *err)
{
    static const char *const memory[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    static const char *const pids[] = {"/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"};
    int rc = check_privileges(err);
    if (rc == 0)
        rc = check_userns(spec, err);
    if (rc == 0)
        rc = check_limit("memory", memory, ARRAY_LEN(memory), spec->memory, err);
    if (rc == 0)
        rc = check_limit("processes", pids, ARRAY_LEN(pids), (uint64_t)spec->pids, err);
    if (rc == 0)
        rc = check_cpu(spec->cpus_milli, err);
    return rc;
}

int protect_check_seccomp(struct err *err)
{
    struct sandbox_status st;
    int rc = sandbox_status_read(0, &st, err);
    if (rc == 0 && st.seccomp != 2)
        return err_set(err, ERR_DENIED, "no seccomp filter is in force");
    return rc;
}
