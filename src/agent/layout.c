#include "agent/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

static int own_program_dir(char **out, struct err *err)
{
    char buf[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", buf, sizeof buf - 1);
    if (n <= 0)
        return err_errno(err, "/proc/self/exe");
    buf[n] = 0;
    char *slash = strrchr(buf, '/');
    if (slash)
        *slash = 0;
    *out = xstrdup(buf);
    return 0;
}

int layout_init(struct layout *l, const char *root, bool local, struct err *err)
{
    *l = (struct layout){.local = local};
    if (root[0] != '/')
        return err_set(err, ERR_INVALID, "the session root must be an absolute path");
    int rc = own_program_dir(&l->programs, err);
    if (rc < 0)
        return rc;
    l->root = xstrdup(root);
    l->spec = path_join(root, "spec.json");
    l->accounts = path_join(root, "accounts.json");
    l->canonical = path_join(root, "canonical");
    l->repo = path_join(root, "repo");
    l->ssh = path_join(root, "ssh");
    l->sshd_config = path_join(root, "ssh/sshd_config");
    l->host_key = path_join(root, "ssh/host_key");
    l->authorized_keys = path_join(root, "ssh/authorized_keys");
    l->sshd_log = path_join(root, "ssh/sshd.log");
    l->bin = path_join(root, "bin");
    l->home = path_join(root, "home");
    l->extrausers = path_join(root, "extrausers");
    l->sync_log = path_join(root, "sync-log");
    l->activity_log = path_join(root, "activity-log");
    l->info = path_join(root, "session-info.json");
    l->sock = path_join(root, "agent.sock");
    l->ctl = local ? path_join(root, "ctl.sock") : xstrdup(LAYOUT_CONTAINER_CTL);
    l->scratch = path_join(root, "tmp");
    return 0;
}

void layout_release(struct layout *l)
{
    char **all[] = {&l->root, &l->spec,         &l->accounts, &l->canonical,       &l->repo,
                    &l->ssh,  &l->sshd_config,  &l->host_key, &l->authorized_keys, &l->sshd_log,
                    &l->bin,  &l->home,         &l->info,     &l->extrausers,      &l->sync_log,
                    &l->sock, &l->activity_log, &l->ctl,      &l->scratch,         &l->programs};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        free(*all[i]);
        *all[i] = NULL;
    }
}

static int make_dir(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) != 0 && errno != EEXIST)
        return err_errno(err, "%s", path);
    struct stat st;
    if (lstat(path, &st) != 0)
        return err_errno(err, "%s", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return err_set(err, ERR_DENIED, "%s is not a directory of the agent's", path);
    if ((st.st_mode & 07777) != mode && chmod(path, mode) != 0)
        return err_errno(err, "%s", path);
    return 0;
}

/* Logs are read by everybody and written by the agent. */
static int make_log(const char *path, mode_t mode, struct err *err)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_errno(err, "%s", path);
    if (fchmod(fd, mode) != 0)
        return err_errno(err, "%s", path);
    return 0;
}

int layout_make(const struct layout *l, struct err *err)
{
    /* Under the local provider one account owns everything, and nobody else has business there:
     * sshd's StrictModes wants the same. */
    mode_t open_mode = l->local ? 0700 : 0755;
    const struct {
        const char *path;
        mode_t mode;
    } dirs[] = {{l->root, open_mode},       {l->ssh, 0700},
                {l->bin, open_mode},        {l->home, open_mode},
                {l->extrausers, open_mode}, {l->scratch, l->local ? 0700 : 0711}};
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        int rc = make_dir(dirs[i].path, dirs[i].mode, err);
        if (rc < 0)
            return rc;
    }
    mode_t log_mode = l->local ? 0600 : 0644;
    int rc = make_log(l->sync_log, log_mode, err);
    if (rc == 0)
        rc = make_log(l->activity_log, log_mode, err);
    if (rc == 0)
        rc = make_log(l->sshd_log, 0600, err);
    return rc;
}

int layout_check_parents(struct layout *l, struct err *err)
{
    cleanup_free char *path = xstrdup(l->ssh);
    for (;;) {
        struct stat st;
        const char *shown = path[0] ? path : "/";
        if (stat(shown, &st) != 0)
            return err_errno(err, "%s", shown);
        if (path_dir_is_open(&st, geteuid(), &l->below_sticky))
            return err_set(err, ERR_DENIED,
                           "%s can be written by others: no keys are taken from below it", shown);
        char *slash = strrchr(path, '/');
        if (!slash)
            return 0;
        *slash = 0;
    }
}

static int make_link(const char *target, const char *dir, const char *name, struct err *err)
{
    cleanup_free char *path = path_join(dir, name);
    char now[PATH_MAX];
    ssize_t n = readlink(path, now, sizeof now - 1);
    if (n > 0) {
        now[n] = 0;
        if (strcmp(now, target) == 0)
            return 0;
    }
    if (unlink(path) != 0 && errno != ENOENT)
        return err_errno(err, "%s", path);
    if (symlink(target, path) != 0)
        return err_errno(err, "%s", path);
    return 0;
}

/* The CLI is beside the agent, or where packages put programs. */
static char *find_cli(const struct layout *l)
{
    char *beside = path_join(l->programs, "steadystate");
    if (access(beside, X_OK) == 0)
        return beside;
    free(beside);
    return xstrdup("/usr/bin/steadystate");
}

int layout_make_bin(const struct layout *l, struct err *err)
{
    cleanup_free char *cli = find_cli(l);
    cleanup_free char *wrapper = path_join(l->programs, "steadystate-wrapper");
    cleanup_free char *sync = path_join(l->bin, "steadystate-sync");
    int rc = make_link(cli, l->bin, "steadystate", err);
    if (rc == 0)
        rc = make_link(wrapper, l->bin, "steadystate-wrapper", err);
    if (rc < 0)
        return rc;
    cleanup_str struct str script = STR_INIT;
    str_adds(&script, "#!/bin/sh\nexec ");
    str_add_shell_quoted(&script, cli);
    str_adds(&script, " sync \"$@\"\n");
    return fd_write_volatile(AT_FDCWD, sync, script.p, script.len, 0755, err);
}
