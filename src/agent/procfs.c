#include "agent/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"

#define STAT_MAX 4096
#define ANCESTORS_MAX 64
#define PTS_MAJOR_FIRST 136
#define PTS_MAJOR_LAST 143

/* Minor number of a terminal by the device number of proc(5): minor in bits 31-20 and 7-0, major
 * in bits 15-8. */
static int pts_of(int64_t device)
{
    unsigned major = (unsigned)(device >> 8) & 0xff;
    unsigned minor = ((unsigned)device & 0xff) | ((unsigned)(device >> 12) & 0xfff00);
    if (major < PTS_MAJOR_FIRST || major > PTS_MAJOR_LAST)
        return -1;
    return (int)(minor + 256 * (major - PTS_MAJOR_FIRST));
}

int proc_stat_parse(const char *text, size_t len, struct proc_stat *out, struct err *err)
{
    const char *open = memchr(text, '(', len);
    const char *close = memrchr(text, ')', len);
    if (!open || !close || close < open || memchr(text, 0, len))
        return err_set(err, ERR_INVALID, "process stat is malformed");
    *out = (struct proc_stat){.tty = -1};
    size_t comm = (size_t)(close - open - 1);
    if (comm >= sizeof out->comm)
        comm = sizeof out->comm - 1;
    memcpy(out->comm, open + 1, comm);

    cleanup_free char *rest = xstrndup(close + 1, len - (size_t)(close + 1 - text));
    cleanup_strv struct strv f = STRV_INIT;
    strv_split(&f, rest, " \n");
    /* state ppid pgrp session tty_nr */
    int64_t ppid, tty;
    if (f.len < 5 || strlen(f.v[0]) != 1)
        return err_set(err, ERR_INVALID, "process stat is malformed");
    int rc = num_parse_i64(f.v[1], 0, INT32_MAX, &ppid, err);
    if (rc == 0)
        rc = num_parse_i64(f.v[4], INT32_MIN, INT32_MAX, &tty, err);
    if (rc < 0)
        return rc;
    out->state = f.v[0][0];
    out->ppid = (pid_t)ppid;
    out->tty = pts_of(tty);
    return 0;
}

int proc_stat_read(pid_t pid, struct proc_stat *out, struct err *err)
{
    char path[64];
    cleanup_str struct str text = STR_INIT;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int rc = fd_read_file(AT_FDCWD, path, STAT_MAX, &text, err);
    return rc < 0 ? rc : proc_stat_parse(text.p, text.len, out, err);
}

pid_t proc_connection_of(pid_t pid, pid_t listener)
{
    pid_t found = 0;
    for (int i = 0; i < ANCESTORS_MAX && pid > 1 && pid != listener; i++) {
        struct proc_stat st;
        if (proc_stat_read(pid, &st, NULL) < 0)
            break;
        if (strcmp(st.comm, "sshd") == 0)
            found = pid;
        pid = st.ppid;
    }
    return found;
}

void proc_each(void (*fn)(pid_t pid, const struct proc_stat *st, void *payload), void *payload)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        int pid;
        struct proc_stat st;
        if (num_parse_int(e->d_name, 1, INT32_MAX, &pid, NULL) == 0 &&
            proc_stat_read((pid_t)pid, &st, NULL) == 0)
            fn((pid_t)pid, &st, payload);
    }
    closedir(dir);
}
