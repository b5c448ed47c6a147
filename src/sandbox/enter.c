#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sandbox/sandbox.h"

/* Read by the C library (names, locale, time zones, iconv), OpenSSL (certificates) and us. */
static const char *const library_paths[] = {
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/run/systemd/resolve",
    "/dev/urandom",
    "/proc/self",
    "/proc/sys/vm",
    "/sys/devices/system/cpu",
};
static const char *const device_paths[] = {"/dev/null"};

static int restrict_files(char *const *rw, size_t n_rw, char *const *ro, size_t n_ro,
                          struct err *err)
{
    cleanup_strv struct strv write = STRV_INIT;
    cleanup_strv struct strv read = STRV_INIT;
    for (size_t i = 0; i < n_rw; i++)
        strv_push(&write, rw[i]);
    for (size_t i = 0; i < ARRAY_LEN(device_paths); i++)
        strv_push(&write, device_paths[i]);
    for (size_t i = 0; i < n_ro; i++)
        strv_push(&read, ro[i]);
    for (size_t i = 0; i < ARRAY_LEN(library_paths); i++)
        strv_push(&read, library_paths[i]);
    return sandbox_landlock(write.v, write.len, read.v, read.len, err);
}

static int drop_all(struct err *err)
{
    if (sandbox_drop_capabilities() != 0)
        return err_errno(err, "give up capabilities");
    return 0;
}

int sandbox_enter_api(char *const *rw, size_t n_rw, char *const *ro, size_t n_ro, struct err *err)
{
    int rc = sandbox_hide(err);
    if (rc == 0)
        rc = drop_all(err);
    if (rc < 0)
        return rc;
    struct err landlock_err = ERR_INIT;
    rc = restrict_files(rw, n_rw, ro, n_ro, &landlock_err);
    if (rc == ERR_UNSUPPORTED)
        log_warn("api process: %s, files are protected by their modes only", landlock_err.msg);
    else if (rc < 0)
        return err_set(err, rc, "%s", landlock_err.msg);
    return sandbox_load(SANDBOX_API, err);
}

int sandbox_enter_keeper(bool spawns, struct err *err)
{
    int rc = sandbox_hide(err);
    if (rc < 0)
        return rc;
    if (spawns)
        return sandbox_load(SANDBOX_SESSION, err);
    return sandbox_load(SANDBOX_KEEPER, err);
}
