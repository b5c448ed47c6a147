#include "daemon/confine.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/sandbox.h"

static bool may(const struct stat *st, uid_t uid, gid_t gid, mode_t bit)
{
    if (st->st_uid == uid)
        return st->st_mode & (bit << 6);
    if (st->st_gid == gid)
        return st->st_mode & (bit << 3);
    return st->st_mode & bit;
}

/* Whether somebody else could read the file: every directory on the way, then the file. */
static bool can_read(const char *path, uid_t uid, gid_t gid)
{
    cleanup_free char *real = realpath(path, NULL);
    struct stat st;
    if (!real || stat(real, &st) != 0 || !may(&st, uid, gid, 4))
        return false;
    for (char *slash; (slash = strrchr(real, '/'));) {
        *slash = '\0';
        if (stat(real[0] ? real : "/", &st) != 0 || !may(&st, uid, gid, 1))
            return false;
    }
    return true;
}

static int change_uid(const struct config *config, struct err *err)
{
    const struct passwd *pw = getpwnam(CONFINE_ACCOUNT);
    if (!pw)
        pw = getpwnam(CONFINE_FALLBACK);
    if (geteuid() != 0)
        return 0;
    if (!pw || pw->pw_uid == 0) {
        log_warn("api process keeps uid 0: there is no account %s or %s", CONFINE_ACCOUNT,
                 CONFINE_FALLBACK);
        return 0;
    }
    if (config->users_file && !can_read(config->users_file, pw->pw_uid, pw->pw_gid)) {
        log_warn("api process keeps uid 0: account %s cannot read %s", pw->pw_name,
                 config->users_file);
        return 0;
    }
    if (sandbox_become(pw->pw_uid, pw->pw_gid) == 0) {
        log_info("api process runs as %s", pw->pw_name);
        return 0;
    }
    /* EPERM: root without the capability, as in a container without capabilities. Nothing was
     * changed. */
    if (errno == EPERM && geteuid() == 0) {
        log_info("api process keeps uid 0: it has no capability to change it");
        return 0;
    }
    return err_errno(err, "change to account %s", pw->pw_name);
}

/* The file is replaced now and then, so its directory is what is named. */
static void add_parent(struct strv *paths, const char *file)
{
    if (!file)
        return;
    cleanup_free char *real = realpath(file, NULL);
    char *slash = real ? strrchr(real, '/') : NULL;
    if (!slash)
        return;
    *slash = '\0';
    strv_push(paths, real[0] ? real : "/");
}

int confine_api(const struct config *config, struct err *err)
{
    cleanup_strv struct strv readable = STRV_INIT;
    int rc = change_uid(config, err);
    if (rc)
        return rc;
    add_parent(&readable, config->users_file);
    return sandbox_enter_api(NULL, 0, readable.v, readable.len, err);
}
