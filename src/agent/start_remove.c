#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/start.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/proc.h"
#include "sandbox/sandbox.h"

#define REMOVE_TIMEOUT_MS 60000

int start_empty(const char *path)
{
    struct err err = ERR_INIT;
    DIR *dir = opendir(path);
    if (!dir)
        return 1;
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = path_remove_tree(dirfd(dir), e->d_name, &err);
    closedir(dir);
    if (rc < 0)
        log_error("empty %s: %s", path, err.msg);
    return rc < 0;
}

int start_remove_as(const char *path, bool has_uid, uid_t uid, gid_t gid, struct err *err)
{
    if (!has_uid)
        return path_remove_tree(AT_FDCWD, path, err);
    char self[] = "/proc/self/exe", verb[] = "empty";
    cleanup_free char *copy = xstrdup(path);
    char *argv[] = {self, verb, copy, NULL};
    struct sandbox_child child = {.uid = uid, .gid = gid};
    struct proc_spec spec = PROC_SPEC_INIT;
    spec.file = self;
    spec.argv = argv;
    spec.before_exec = sandbox_child_enter;
    spec.payload = &child;
    cleanup_proc_result struct proc_result result = {.out = STR_INIT, .errs = STR_INIT};
    int rc = proc_run(&spec, NULL, 0, 65536, REMOVE_TIMEOUT_MS, &result, err);
    if (rc == 0 && rmdir(path) != 0)
        return err_errno(err, "remove %s", path);
    return rc;
}
